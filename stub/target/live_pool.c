/* SPDX-License-Identifier: MIT */
/*
 * Processes that are traced together.  waitpid() tells of all of them at once: who asks
 * takes what is its own, and leaves the rest where its owner will look.
 */
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "stub/target/live_priv.h"

/* Whose births have not been told yet, for whoever they belong to. */
struct live_pool {
	struct live *first;
	struct live_mail early;
};

static bool put_mail(struct live_mail *box, pid_t tid, int status)
{
	if (box->n == box->cap) {
		size_t cap = box->cap ? box->cap * 2 : 16;
		struct letter *more = reallocarray(box->letter, cap, sizeof(*more));
		if (!more)
			return false;
		box->letter = more;
		box->cap = cap;
	}
	box->letter[box->n++] = (struct letter){ tid, status };
	return true;
}

static void take_out(struct live_mail *box, size_t i)
{
	box->n--;
	for (; i < box->n; i++)
		box->letter[i] = box->letter[i + 1];
}

struct err *live_join(struct live *l, struct target *beside)
{
	struct live_pool *pool = beside ? to_live(beside)->pool : calloc(1, sizeof(*pool));

	if (!pool)
		return &err_nomem;
	l->pool = pool;
	l->pool_next = pool->first;
	pool->first = l;
	return NULL;
}

void live_leave(struct live *l)
{
	struct live_pool *pool = l->pool;

	if (!pool)
		return;
	struct live **at = &pool->first;
	while (*at != l)
		at = &(*at)->pool_next;
	*at = l->pool_next;
	free(l->inbox.letter);
	l->inbox = (struct live_mail){ 0 };
	l->pool = NULL;
	if (pool->first)
		return;
	free(pool->early.letter);
	free(pool);
}

static struct live *owner_of(const struct live_pool *pool, pid_t tid)
{
	struct live *l = pool->first;
	while (l && !lwp_find(l, tid))
		l = l->pool_next;
	return l;
}

struct live *live_lender(const struct live *l)
{
	struct live *other = l->borrows_memory ? l->pool->first : NULL;

	while (other && other->target.pid != l->lender)
		other = other->pool_next;
	return other;
}

void live_lift_lender(const struct live *l)
{
	struct live *lender = live_lender(l);
	if (lender)
		live_lift_points(lender);
}

bool live_take_early(struct live *l, pid_t tid, int *ret)
{
	struct live_mail *early = &l->pool->early;

	for (size_t i = 0; i < early->n; i++) {
		if (early->letter[i].tid != tid)
			continue;
		*ret = early->letter[i].status;
		take_out(early, i);
		return true;
	}
	return false;
}

static void on_unknown(struct live *l, pid_t tid, int status)
{
	int stopped;

	if (!WIFSTOPPED(status))
		(void)live_take_early(l, tid, &stopped); /* it has died unannounced */
	else if (!put_mail(&l->pool->early, tid, status))
		/* Rather untraced than stopped for ever. */
		(void)ptrace(PTRACE_DETACH, tid, NULL, NULL);
}

void live_route(struct live *l, pid_t tid, int status)
{
	struct live *owner = owner_of(l->pool, tid);

	if (!owner)
		on_unknown(l, tid, status);
	else if (owner == l)
		live_handle_status(l, tid, status);
	else
		(void)put_mail(&owner->inbox, tid, status); /* without memory it is lost */
}

bool live_read_mail(struct live *l)
{
	if (!l->inbox.n)
		return false;
	struct letter first = l->inbox.letter[0];
	take_out(&l->inbox, 0);
	/* It may have gone, in another way, since. */
	if (lwp_find(l, first.tid))
		live_handle_status(l, first.tid, first.status);
	return true;
}

/* Whether it is a thread or child of another process of ours, which will tell of it. */
static bool is_anothers(const struct live *l, pid_t tid)
{
	long group = proc_status_field(tid, "Tgid");
	long parent = proc_status_field(tid, "PPid");

	for (const struct live *other = l->pool->first; other; other = other->pool_next)
		if (other != l && other->target.pid > 0 &&
		    (other->target.pid == group || other->target.pid == parent))
			return true;
	return false;
}

void live_release_early(struct live *l)
{
	struct live_mail *early = &l->pool->early;
	size_t i = 0;

	while (i < early->n) {
		pid_t tid = early->letter[i].tid;
		if (is_anothers(l, tid)) {
			i++;
			continue;
		}
		live_clean_child(l, tid);
		(void)ptrace(PTRACE_DETACH, tid, NULL, NULL);
		take_out(early, i);
	}
}
