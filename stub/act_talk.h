/* SPDX-License-Identifier: MIT */
/*
 * A talk with the pdb that a process has been made to run: the process makes a pair of
 * sockets, we take one end, and carry bytes between it and the user, who is at a terminal, or
 * comes to an address that we listen at.
 */
#ifndef STUB_ACT_TALK_H
#define STUB_ACT_TALK_H

#include "stub/act_run.h"
#include "stub/conn.h"

struct act_talk {
	struct act_run *run;
	int in, out;	      /* the user's; borrowed */
	int signals;	      /* a signalfd of those that are for the user's use, or -1 */
	bool (*look)(void *); /* NULL; or what else is to be done now and then; true: give up */
	void *look_arg;

	int link; /* our end; -1: not there yet, or not any more */
	bool input_over, closed;
	bool interrupted; /* Ctrl-C, not acted upon yet */
	bool gives_up;	  /* before pdb was there */
	bool hinted;
	unsigned int waited_ms;
};

/* The job that is pdb; @thread, @official as in struct act_job. */
struct act_job act_talk_job(const char *thread, bool official);

/* For struct act_ways.pause: carries bytes for so long. */
bool act_talk_pause(struct act_talk *t, unsigned int ms);

/*
 * Until it is over, or the connection is.  @once runs the job from beginning to end and is
 * called again when the user interrupts the program.  Closes what it has opened.
 */
struct err *act_talk_follow(struct act_talk *t, struct err *(*once)(void *arg),
			    void *arg) MUST_CHECK;

/*
 * Listens at @address, unix:PATH or HOST:PORT of the loopback; *said is how it is to be reached.
 */
struct err *act_talk_listen(const char *address, struct listener *ret, struct buf *said) MUST_CHECK;

/*
 * The client that comes within @limit_ms: a descriptor for the caller to close.  Only one of the
 * same user, or of root, is let in.  @look as in struct act_talk.
 */
struct err *act_talk_accept(struct listener *l, unsigned int limit_ms, const struct act_talk *t,
			    int *ret) MUST_CHECK;

#endif
