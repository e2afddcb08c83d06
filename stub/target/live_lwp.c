/* SPDX-License-Identifier: MIT */
/* The table of threads: a list in order of birth, and a hash by thread id. */
#include <stdlib.h>

#include "stub/target/live_priv.h"

static struct lwp **bucket(struct live *l, pid_t tid)
{
	return &l->bucket[(uint32_t)tid % LWP_BUCKETS];
}

struct lwp *lwp_find(struct live *l, pid_t tid)
{
	struct lwp *p = *bucket(l, tid);
	while (p && p->tid != tid)
		p = p->chain;
	return p;
}

pid_t lwp_group(const struct live *l, const struct lwp *p)
{
	return p->group ? p->group : l->target.pid;
}

struct lwp *lwp_add(struct live *l, pid_t tid)
{
	struct lwp *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->tid = tid;
	p->prev = l->last;
	if (l->last)
		l->last->next = p;
	else
		l->first = p;
	l->last = p;
	p->chain = *bucket(l, tid);
	*bucket(l, tid) = p;
	l->nlwps++;
	return p;
}

void lwp_remove(struct live *l, struct lwp *p)
{
	struct lwp **at = bucket(l, p->tid);
	live_free_slot(l, p);
	while (*at != p)
		at = &(*at)->chain;
	*at = p->chain;
	if (p->prev)
		p->prev->next = p->next;
	else
		l->first = p->next;
	if (p->next)
		p->next->prev = p->prev;
	else
		l->last = p->prev;
	l->nlwps--;
	l->nvforks -= p->vforking;
	free(p);
}
