/* SPDX-License-Identifier: MIT */
#include "stub/act_run.h"

#include <stdio.h>
#include <time.h>

#include "qxfer/python.h"

#define CANCEL_MS  2000u /* for a cancelled script to end */
#define CLEAR_MS   3000u /* for the thread to have left what is to be taken away */
#define PAUSE_LAST 10u
#define WAKE_FIRST 15u /* after so long, and so on by three */
#define WAKE_LAST  1500u

void act_outcome_deinit(struct act_outcome *o)
{
	buf_deinit(&o->text);
	buf_deinit(&o->output);
}

static int64_t now_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static struct err *release(struct act_run *r)
{
	if (!r->target)
		return NULL;
	r->target = NULL;
	return r->ways->release(r->ways->arg);
}

static struct err *regain(struct act_run *r)
{
	return r->target ? NULL : r->ways->regain(r->ways->arg, &r->target);
}

/* If it fails that is seen elsewhere. */
static void wake_again(struct act_run *r)
{
	struct err *err = regain(r);

	if (err) {
		err_drop(err);
		return;
	}
	act_wake(&r->act, r->target);
	err_drop(release(r));
}

/* Until it has ended, one way or the other, or the time is up, or the user has enough. */
static enum act_state wait_for_it(struct act_run *r, unsigned int limit_ms, bool *wanted)
{
	int64_t start = now_ms(), until = start + limit_ms;
	unsigned int ms = 0, wake_ms = WAKE_FIRST;
	enum act_state state;

	while ((state = act_poll(&r->act)) < ACT_DONE && now_ms() < until && !*wanted) {
		if (state == ACT_WAITS && wake_ms <= WAKE_LAST && now_ms() > start + wake_ms &&
		    act_is_asleep(&r->act)) {
			wake_again(r);
			wake_ms *= 3;
		}
		*wanted = r->ways->pause(r->ways->arg, ms / 4);
		ms += ms / 4 < PAUSE_LAST;
	}
	return state;
}

/* It runs, and was to have ended. */
static struct err *cancel(struct act_run *r, enum act_state *state)
{
	bool wanted = false;

	struct err *err = regain(r);
	if (err)
		return err;
	*state = act_poll(&r->act);
	if (*state != ACT_RUNS && (*state != ACT_WAITS || !act_can_revoke(&r->act)))
		return NULL;
	err = act_cancel(&r->act, r->target);
	if (!err)
		err = release(r);
	if (!err)
		*state = wait_for_it(r, CANCEL_MS, &wanted);
	return err;
}

static struct err *clear(struct act_run *r, bool *cleared)
{
	int64_t until = now_ms() + CLEAR_MS;
	unsigned int ms = 1;
	struct err *err = NULL;

	*cleared = false;
	for (;;) {
		err = regain(r);
		*cleared = !err && act_clear(&r->act, r->target, r->python);
		if (err || *cleared || act_poll(&r->act) == ACT_RUNS || now_ms() > until)
			return err;
		err = release(r);
		if (err)
			return err;
		(void)r->ways->pause(r->ways->arg, ms);
		ms *= 2;
	}
}

/* What did not come about. */
static const char *never(const struct act *a, bool by_worker)
{
	switch (a->way) {
	case ACT_BY_DETOUR:
		return "the thread does not get the GIL";
	case ACT_AT_LINE:
		return by_worker ? "the thread does not come to another line of Python"
				 : "the main thread, which has to help, does not look for signals";
	case ACT_OFFICIAL:
		return "the thread does not look at the fields of PEP 768";
	default:
		return "the main thread does not come to look for signals";
	}
}

/* Where the thread is that should have run it: "f (file.py:3)". */
static struct err *say_never(struct act_run *r, bool wanted)
{
	bool by_worker = r->act.way != ACT_AT_LINE || act_can_revoke(&r->act);
	pid_t thread = by_worker ? r->act.worker : r->act.main;
	const struct space *space;
	_cleanup_buf_ struct buf where = { 0 };
	struct err *err =
		r->target ? target_space(r->target, &space) : err_new(ERR_STATE, "it runs");

	if (!err)
		err = python_thread_text(r->python, space, thread, &where);
	err_drop(err); /* then it is not known where */
	buf_put(&where, "", 1);
	return err_new(ERR_STATE, "not run%s: %s%s%.60s", wanted ? "" : " in time",
		       never(&r->act, by_worker), where.failed || where.len < 2 ? "" : ", in ",
		       where.failed ? "" : (char *)where.data);
}

static struct err *say_end(struct act_run *r, enum act_state state, bool cleared, bool wanted)
{
	if (state == ACT_GONE)
		return err_new(ERR_STATE, "the process ended before the script did");
	if (state == ACT_WAITS)
		return say_never(r, wanted);
	if (state == ACT_RUNS)
		return err_new(ERR_STATE,
			       "the script goes on: it caught what was to end it, or "
			       "waits in C code; a page and a memfd are its own until then");
	return cleared ? NULL
		       : err_new(ERR_STATE, "the script ended, but a page of ours is still in use");
}

struct err *act_run(struct act_run *r, struct act_outcome *ret)
{
	int64_t start = now_ms();
	bool wanted = false, cleared = true;

	struct err *err = act_arm(&r->act, r->target, r->python, &r->job);
	if (!err)
		err = release(r);
	if (err && r->act.pid && act_poll(&r->act) == ACT_GONE) {
		err_drop(err); /* what could not be done to it any more */
		err = say_end(r, ACT_GONE, true, false);
	}
	if (err)
		return err;
	enum act_state state = wait_for_it(r, r->limit_ms, &wanted);
	ret->took_ms = (unsigned int)(now_ms() - start);
	if (state == ACT_RUNS || (state == ACT_WAITS && act_can_revoke(&r->act)))
		err = cancel(r, &state);
	if (!err && state != ACT_GONE)
		err = clear(r, &cleared);
	if (err && (state == ACT_DONE || act_poll(&r->act) == ACT_GONE)) {
		err_drop(err); /* it ended meanwhile */
		err = NULL;
		cleared = true;
	}
	state = act_poll(&r->act);
	if (!err && state == ACT_DONE)
		err = act_result(&r->act, &ret->end, &ret->text, &ret->output);
	if (!err && state == ACT_DONE && ret->end == ACT_NEVER)
		return say_never(r, wanted);
	return err ? err : say_end(r, state, cleared, wanted);
}
