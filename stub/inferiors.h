/* SPDX-License-Identifier: MIT */
/*
 * The processes of a session.  What there is once for each process lies in the session
 * itself for the one that is selected, and here for the others; so a handler that knows of
 * no others works on whichever is selected.  Before it runs that is the one of Hg.
 *
 * Nothing may be asked of a target that is not selected: its judge and catcher look at the
 * session.
 */
#ifndef STUB_INFERIORS_H
#define STUB_INFERIORS_H

#include "rsp/threadid.h"
#include "stub/session.h"

#define INFERIORS_MAX 1000u

void inferiors_init(struct session *s);
/* Closes all targets. */
void inferiors_close(struct session *s);
void inferiors_deinit(struct session *s);

/* The first one with a process, or after @i; NULL: there is none (any more). */
struct inferior *inferiors_first(struct session *s);
struct inferior *inferiors_next(struct session *s, const struct inferior *i);
struct inferior *inferiors_find(struct session *s, pid_t pid); /* NULL: no such process */
bool inferiors_any(struct session *s);
bool inferiors_several(struct session *s);

void inferiors_select(struct session *s, struct inferior *i);
/* The one that is meant by an id: any, or all, is the one selected, or the thread's. */
bool inferiors_select_id(struct session *s, const struct rsp_thread_id *id);
/* The one selected is from now on that of Hg. */
void inferiors_keep(struct session *s);
/* Back to that of Hg, or one that is alive. */
void inferiors_restore(struct session *s);
/* A place for one more process, selected; its target is not a process. */
struct err *inferiors_place(struct session *s) MUST_CHECK;

/* In the order of s->inferiors, those without a process too. */
struct inferior *inferiors_after(const struct inferior *i);
const struct target *inferiors_target(const struct session *s, const struct inferior *i);

/* Those that run. */
bool inferiors_moving(const struct inferior *i);
void inferiors_set_moving(struct inferior *i, bool moving);
/* The process is selected; each that runs, @i excepted, is stopped without a word. */
void inferiors_halt(struct session *s, const struct inferior *but);

#endif
