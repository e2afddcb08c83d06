/* SPDX-License-Identifier: MIT */
#include "stub/inferiors.h"

#include <stdio.h>
#include <stdlib.h>

#include "stub/breaks.h"
#include "stub/conditions.h"
#include "stub/launch.h"
#include "stub/pybreak.h"
#include "stub/trace.h"
#include "stub/view.h"

struct inferior {
	struct inferior *next;
	bool moving;
	struct target *target; /* of the one selected this is true as well */
	/* What the session has of the one selected. */
	struct qxfer qxfer;
	struct python *python;
	struct v8 *v8;
	struct jit *jit;
	struct codelib *codelib;
	struct pybreak *pybreak;
	struct breaks *breaks;
	struct breakif *breakif;
	struct conditions *conditions;
	struct view *view;
	struct choices choices;
	struct calls calls;
};

void inferiors_init(struct session *s)
{
	s->now = s->inferiors = s->general = s->stopper = calloc(1, sizeof(*s->now));
	if (!s->now)
		abort(); /* nothing has been started yet */
}

static void save(struct session *s)
{
	struct inferior *i = s->now;

	*i = (struct inferior){ .next = i->next,
				.moving = i->moving,
				.target = s->target,
				.qxfer = s->qxfer,
				.python = s->python,
				.v8 = s->v8,
				.jit = s->jit,
				.codelib = s->codelib,
				.pybreak = s->pybreak,
				.breaks = s->breaks,
				.breakif = s->breakif,
				.conditions = s->conditions,
				.view = s->view,
				.choices = s->choices,
				.calls = s->calls };
}

static void load(struct session *s, struct inferior *i)
{
	s->now = i;
	s->target = i->target;
	s->qxfer = i->qxfer;
	s->python = i->python;
	s->v8 = i->v8;
	s->jit = i->jit;
	s->codelib = i->codelib;
	s->pybreak = i->pybreak;
	s->breaks = i->breaks;
	s->breakif = i->breakif;
	s->conditions = i->conditions;
	s->view = i->view;
	s->choices = i->choices;
	s->calls = i->calls;
}

void inferiors_select(struct session *s, struct inferior *i)
{
	if (!i || i == s->now)
		return;
	save(s);
	load(s, i);
}

const struct target *inferiors_target(const struct session *s, const struct inferior *i)
{
	return i == s->now ? s->target : i->target;
}

static struct inferior *alive_from(struct session *s, struct inferior *i)
{
	while (i && inferiors_target(s, i)->pid <= 0)
		i = i->next;
	return i;
}

struct inferior *inferiors_first(struct session *s)
{
	return alive_from(s, s->inferiors);
}

struct inferior *inferiors_next(struct session *s, const struct inferior *i)
{
	return alive_from(s, i->next);
}

struct inferior *inferiors_find(struct session *s, pid_t pid)
{
	struct inferior *i = pid > 0 ? inferiors_first(s) : NULL;
	while (i && inferiors_target(s, i)->pid != pid)
		i = inferiors_next(s, i);
	return i;
}

bool inferiors_any(struct session *s)
{
	return inferiors_first(s) != NULL;
}

bool inferiors_several(struct session *s)
{
	struct inferior *i = inferiors_first(s);
	return i && inferiors_next(s, i);
}

static bool select_owner(struct session *s, pid_t tid)
{
	struct inferior *before = s->now;

	if (view_has_thread(s, tid))
		return true;
	for (struct inferior *i = inferiors_first(s); i; i = inferiors_next(s, i)) {
		inferiors_select(s, i);
		if (view_has_thread(s, tid))
			return true;
	}
	inferiors_select(s, before);
	return false;
}

bool inferiors_select_id(struct session *s, const struct rsp_thread_id *id)
{
	if (id->pid == RSP_ANY || id->pid == RSP_ALL) {
		/* A client that names no process means the thread's. */
		if (id->tid > 0)
			(void)select_owner(s, id->tid);
		return true;
	}
	struct inferior *i = inferiors_find(s, id->pid);
	inferiors_select(s, i);
	return i != NULL;
}

void inferiors_keep(struct session *s)
{
	s->general = s->now;
}

void inferiors_restore(struct session *s)
{
	inferiors_select(s, s->general);
	if (s->target->pid > 0)
		return;
	struct inferior *alive = inferiors_first(s);
	if (!alive)
		return;
	inferiors_select(s, alive);
	s->general = alive;
	s->g_tid = target_first_thread(s->target);
}

/* A new one takes the place of one that is no more, with all that belongs to it. */
static struct inferior *find_free(struct session *s)
{
	struct inferior *i = s->inferiors;
	while (i && inferiors_target(s, i)->pid > 0)
		i = i->next;
	return i;
}

struct err *inferiors_place(struct session *s)
{
	struct inferior *free_one = find_free(s);
	size_t n = 1;

	if (free_one) {
		inferiors_select(s, free_one);
		free_one->moving = false;
		return NULL;
	}
	struct inferior **at = &s->inferiors;
	for (; *at; at = &(*at)->next)
		n++;
	if (n > INFERIORS_MAX)
		return err_new(ERR_STATE, "more than %u processes", INFERIORS_MAX);
	struct inferior *fresh = calloc(1, sizeof(*fresh));
	if (!fresh)
		return &err_nomem;
	save(s);
	*at = fresh;
	s->now = fresh;
	s->target = NULL;
	session_init_process(s);
	return NULL;
}

struct inferior *inferiors_after(const struct inferior *i)
{
	return i->next;
}

bool inferiors_moving(const struct inferior *i)
{
	return i->moving;
}

void inferiors_set_moving(struct inferior *i, bool moving)
{
	i->moving = moving;
}

void inferiors_halt(struct session *s, const struct inferior *but)
{
	struct inferior *before = s->now;

	for (struct inferior *i = inferiors_first(s); i; i = inferiors_next(s, i)) {
		if (i == but || !i->moving)
			continue;
		inferiors_select(s, i);
		struct err *err = s->target->run->halt ? s->target->run->halt(s->target) : NULL;
		if (err)
			fprintf(stderr, "archerfish: %s\n", err->msg);
		err_drop(err);
		i->moving = false;
		view_moved(s);
	}
	inferiors_select(s, before);
}

void inferiors_close(struct session *s)
{
	for (struct inferior *i = s->inferiors; i; i = i->next) {
		inferiors_select(s, i);
		trace_forget(s);
		target_close(s->target);
	}
}

void inferiors_deinit(struct session *s)
{
	struct inferior *i = s->inferiors, *next;

	for (; i; i = next) {
		next = i->next;
		inferiors_select(s, i);
		session_deinit_process(s);
		if (next)
			load(s, next);
		free(i);
	}
	s->now = s->inferiors = s->general = NULL;
}
