/* SPDX-License-Identifier: MIT */
/*
 * How the next program is started: what the command line said, and what a client in
 * extended mode says before its vRun, R or A.
 */
#ifndef STUB_START_H
#define STUB_START_H

#include "rsp/cursor.h"
#include "stub/options.h"
#include "stub/target/target.h"

struct session;

#define START_TEXT_MAX	(2u << 20) /* bytes that a client may have us keep */
#define START_WORDS_MAX 65536u	   /* arguments, variables of the environment */

struct start {
	const struct options *options;
	char **argv;	/* owned: of the last program that was started, or to be; NULL: none */
	char *as_typed; /* owned: what follows argv[0] alone, for a shell to read; or NULL */
	char **env;	/* owned; NULL: ours as it is */
	size_t nenv;
	size_t text; /* bytes of env */
	char *cwd;   /* owned; NULL: ours */
	char *io[3]; /* owned: what its descriptors 0 to 2 are opened from; NULL: ours */
	bool no_shell, keep_aslr;
	char *failure;	       /* owned: why the last A failed, for qLaunchSuccess; or NULL */
	char *match;	       /* owned: the name that qfProcessInfo asked for; NULL: any */
	unsigned int next_pid; /* where qsProcessInfo goes on */
};

void start_init(struct start *st, const struct options *o);
void start_deinit(struct start *st);
/* Another client: what the last one said of environment, directory and so on is forgotten. */
void start_reset(struct start *st);

/* The program and its arguments; @argv and its strings are taken over, in any case. */
void start_set_argv(struct start *st, char **argv, char *as_typed);
void start_free_words(char **words);

/* "NAME=VALUE" and "NAME". */
struct err *start_set_env(struct start *st, const char *text) MUST_CHECK;
struct err *start_unset_env(struct start *st, const char *name) MUST_CHECK;
void start_reset_env(struct start *st);
/* NULL or "": ours. */
struct err *start_set_text(char **field, const char *text) MUST_CHECK;

/* Where processes come from; a session that has none of it is as its target is. */
struct starter {
	/*
	 * Starts the program of @st and stops it at its first instruction.  ERR_STATE: it did
	 * not get there; the error says why.  @beside: a target of this starter that is there
	 * at the same time, or NULL.
	 */
	struct err *(*launch)(struct start *st, struct target *beside, struct target **ret);
	struct err *(*attach)(const struct options *o, pid_t pid, struct target *beside,
			      struct target **ret);
};
/* Real ones; says so on stderr, in gdbserver's words. */
extern const struct starter start_live;

/* ---- for a session; stub/h_start.c ---- */

/* Hexadecimal text up to the end of the packet, for the caller to free; NULL: it is none. */
char *start_parse_text(struct rsp_cursor *hex);
/* The program of s->start becomes one of the session's processes. */
struct err *session_launch(struct session *s) MUST_CHECK;
/* A process likewise; @out gets the stop reply. */
struct err *session_attach(struct session *s, pid_t pid, struct buf *out) MUST_CHECK;

#endif
