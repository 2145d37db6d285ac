/* Random numbers that a seed repeats: splitmix64. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

static uint64_t random_state;

static inline uint32_t random_below(uint32_t limit)
{
	uint64_t z = (random_state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (uint32_t)(((z ^ (z >> 31)) >> 32) * limit >> 32);
}

#endif
