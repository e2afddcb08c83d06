/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stub/act_cli.h"
#include "stub/launch.h"
#include "stub/loop.h"
#include "stub/session.h"
#include "stub/source.h"
#include "stub/stacks.h"
#include "stub/start.h"

static int fail(struct err *err)
{
	fprintf(stderr, "%s\n", err->msg);
	err_drop(err);
	return 1;
}

/* With gdbserver's last word, which scripts wait for. */
static int fail_exiting(struct err *err)
{
	int status = fail(err);
	fputs("Exiting\n", stderr);
	return status;
}

/* The file that was asked for, or stderr. */
static FILE *open_log(const struct options *o)
{
	FILE *f = o->debug_file ? fopen(o->debug_file, "we") : NULL;
	if (o->debug_file && !f)
		fprintf(stderr, "Cannot open %s for the log\n", o->debug_file);
	return f ? f : stderr;
}

/* The terminal was lent to the program that we started. */
static void take_terminal(void)
{
	if (!isatty(STDIN_FILENO))
		return;
	signal(SIGTTOU, SIG_IGN);
	(void)tcsetpgrp(STDIN_FILENO, getpgrp());
}

/*
 * A pipe that nobody reads must not stop us: from now on what does not fit is not
 * said.  Opened anew, since the setting would be that of all who share the pipe.
 */
static int unblock_stderr(void)
{
	struct stat st;

	if (fstat(STDERR_FILENO, &st) != 0 || !(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		return -1;
	int fresh = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fresh < 0)
		return -1;
	int old = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	dup2(fresh, STDERR_FILENO);
	close(fresh);
	return old;
}

static int serve(const struct options *o)
{
	struct listener listener;
	struct target *target;
	struct session session;

	/* First, so that nothing is started for a port that is busy. */
	struct err *err = listener_open(o->comm, &listener);
	if (err)
		return fail_exiting(err);
	err = target_open(o, &target);
	if (err) {
		listener_close(&listener);
		return fail_exiting(err);
	}
	listener_announce(&listener, o->comm);
	pid_t child = o->mode == MODE_LAUNCH ? target->pid : 0;
	session_init(&session, target, o);
	session.starter = &start_live;
	session.log = open_log(o);
	int status = loop_run(&session, &listener);
	listener_close(&listener);
	session_close_targets(&session);
	session_deinit(&session);
	/* A program that was detached from still has our terminal: wait for it, as gdbserver does. */
	if (child) {
		sigset_t none; /* the loop is not there to take them */
		sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		(void)waitpid(child, NULL, 0);
	}
	take_terminal();
	return status;
}

/* Prints the text with the source lines that belong into it. */
static int print_stacks(const struct py_quotes *quotes, const struct buf *text,
			struct source *source)
{
	_cleanup_buf_ struct buf whole = { 0 };
	const struct py_quote_source from = source_lines(source);
	py_quotes_put(quotes, text, &from, &whole);
	if (whole.failed)
		return fail(&err_nomem);
	return fwrite(whole.data, 1, whole.len, stdout) == whole.len && fflush(stdout) == 0 ? 0 : 1;
}

/* Holds the process only while it is looked at.  Exit status 1: no Python; 2: no such process. */
static int stacks(const struct options *o)
{
	_cleanup_buf_ struct buf text = { 0 };
	struct options attach = *o;
	struct stacks_options how = { .json = o->json,
				      .locals = o->locals,
				      .native = o->native,
				      .locks = o->locks,
				      .tasks = o->tasks,
				      .color = !o->json && isatty(STDOUT_FILENO) };
	struct py_quotes quotes = { 0 };
	struct stacks_found found = { 0 };
	struct source source;
	struct target *target;

	attach.mode = MODE_ATTACH;
	attach.quiet = !o->core; /* what of a core is missing may be what is looked for */
	struct err *err = o->nonblocking || o->core ? NULL : stacks_prepare(o->pid, &found);
	if (!err)
		err = target_open(&attach, &target);
	if (err) {
		stacks_found_deinit(&found);
		(void)fail(err);
		return 2;
	}
	err = stacks_read(target, &found, &how, &quotes, &text);
	source_open(&source, target);
	target->ops->destroy(target);
	stacks_found_deinit(&found);
	int status = err ? fail(err) : print_stacks(&quotes, &text, &source);
	source_close(&source);
	py_quotes_deinit(&quotes);
	return status;
}

int main(int argc, char **argv)
{
	struct options o;

	if (!options_parse(argc, argv, &o, stderr))
		return 1;
	switch (o.mode) {
	case MODE_HELP:
		options_usage(stdout);
		return 0;
	case MODE_VERSION:
		options_version(stdout);
		return 0;
	case MODE_STACKS:
		return stacks(&o);
	case MODE_EXEC:
		return act_cli_exec(&o);
	case MODE_PDB:
		return act_cli_pdb(&o);
	default:
		loop_block_signals(&o.inherit);
		o.inherit.stderr_fd = o.remote_debug ? -1 : unblock_stderr();
		return serve(&o);
	}
}
