/* SPDX-License-Identifier: MIT */
/*
 * A live Linux process, traced with ptrace(2): what other folders may do with
 * it.  Everything else goes through struct target.
 */
#ifndef STUB_TARGET_LIVE_H
#define STUB_TARGET_LIVE_H

#include <signal.h>

#include "stub/target/target.h"

/* What a program gets of whoever started us, though we have changed it for ourselves. */
struct live_inherit {
	sigset_t mask;	   /* of signals */
	bool ignores_pipe; /* SIGPIPE */
	int stderr_fd;	   /* close-on-exec; -1: ours is unchanged */
};

struct live_launch {
	char *const *argv; /* program and arguments */
	/* What follows argv[0], which is alone then, as a shell is to read it; or NULL. */
	const char *as_typed;
	char *const *wrapper; /* put before them when the shell runs them; or NULL */
	const char *cwd;      /* or NULL: ours */
	char *const *env;     /* or NULL: ours */
	bool keep_aslr;
	bool no_shell; /* exec the program itself, not `$SHELL -c exec program' */
	const struct live_inherit *inherit;
	const char *io[3]; /* files for its descriptors 0 to 2; NULL: ours */
	bool stdin_null; /* our stdin is the client: the inferior gets /dev/null, and stderr to print on */
};

/*
 * Starts a program and stops it at its first instruction.  If it does not get
 * there, the error says why ("exited with code 127").  @beside: a live target that may be
 * traced at the same time, or one after the other, by this thread; NULL: there is none.
 */
struct err *live_launch(const struct live_launch *how, struct target *beside,
			struct target **ret) MUST_CHECK;

/* A process that is none (yet): pid 0. */
struct err *live_none(struct target **ret) MUST_CHECK;

/*
 * Seizes every thread of @pid, those born meanwhile too, and stops them.  When
 * it fails, nothing of the process is held.
 */
struct err *live_attach(pid_t pid, struct target **ret) MUST_CHECK;
struct err *live_attach_beside(struct target *beside, pid_t pid, struct target **ret) MUST_CHECK;

#endif
