/* What a subtree holds, kept in memory: nodes 2 and up, 1 is its top. */
#ifndef TREE_MODEL_H
#define TREE_MODEL_H

#include <errno.h>
#include <string.h>
#include "random.h"

#define NODES 400
#define NAMES 12

enum kind { FREE, FILE_NODE, DIRECTORY, LINK };

struct node {
	enum kind kind;
	int links, parent;
	long size;
	unsigned char fill;
	int entries[NAMES]; /* of a directory: node numbers, 0 is none */
};

static struct node nodes[NODES];
static int pick_dir(void)
{
	int at = random_below(NODES);

	while (nodes[at].kind != DIRECTORY)
		at = (at + 1) % NODES;
	return at;
}

/* A node for something new; 0 when there is no room. */
static int new_node(enum kind kind, int parent)
{
	for (int at = 2; at < NODES; at++)
		if (nodes[at].kind == FREE) {
			memset(&nodes[at], 0, sizeof nodes[at]);
			nodes[at].kind = kind;
			nodes[at].parent = parent;
			nodes[at].links = kind == DIRECTORY ? 2 : 1;
			return at;
		}
	return 0;
}

static void drop(int node)
{
	if (--nodes[node].links <= (nodes[node].kind == DIRECTORY))
		nodes[node].kind = FREE;
}

static int is_empty(int dir)
{
	for (int name = 0; name < NAMES; name++)
		if (nodes[dir].entries[name] != 0)
			return 0;
	return 1;
}

/* Whether `dir` is `node` or below it. */
static int is_below(int dir, int node)
{
	for (; dir != 1; dir = nodes[dir].parent)
		if (dir == node)
			return 1;
	return node == 1;
}

/* What rename(2) answers, of nodes by the entries of two directories; 0 is no node, and success. */
static int rename_error(int from_dir, int from, int to_dir, int to, int exchange)
{
	if (from == 0)
		return ENOENT;
	if (exchange && to == 0)
		return ENOENT;
	if (nodes[from].kind == DIRECTORY && is_below(to_dir, from))
		return EINVAL;
	if (to != 0 && nodes[to].kind == DIRECTORY && is_below(from_dir, to))
		return exchange ? EINVAL : ENOTEMPTY;
	if (from == to || exchange || to == 0)
		return 0;
	if (nodes[from].kind == DIRECTORY && nodes[to].kind != DIRECTORY)
		return ENOTDIR;
	if (nodes[from].kind != DIRECTORY && nodes[to].kind == DIRECTORY)
		return EISDIR;
	return nodes[to].kind == DIRECTORY && !is_empty(to) ? ENOTEMPTY : 0;
}

static void move(int node, int from_dir, int to_dir)
{
	if (node == 0 || nodes[node].kind != DIRECTORY)
		return;
	nodes[node].parent = to_dir;
	nodes[from_dir].links--;
	nodes[to_dir].links++;
}

#endif
