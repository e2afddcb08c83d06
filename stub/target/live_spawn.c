/* SPDX-License-Identifier: MIT */
/* Starting a program under trace. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <time.h>
#include <unistd.h>

#include "stub/target/live_priv.h"

extern char **environ;

#define EXIT_CANNOT_EXEC 127

static void put_quoted(struct buf *out, const char *word)
{
	buf_puts(out, " '");
	for (; *word; word++) {
		if (*word == '\'')
			buf_puts(out, "'\\''");
		else
			buf_put(out, word, 1);
	}
	buf_puts(out, "'");
}

/* "exec [wrapper...] program args..." for a shell, every word quoted. */
static void shell_command(const struct live_launch *how, struct buf *out)
{
	buf_puts(out, "exec");
	for (char *const *w = how->wrapper; w && *w; w++)
		put_quoted(out, *w);
	for (char *const *a = how->argv; *a; a++)
		put_quoted(out, *a);
	if (how->as_typed) {
		buf_puts(out, " ");
		buf_puts(out, how->as_typed);
	}
	buf_put(out, "", 1);
}

static void restore_inherited(const struct live_inherit *in)
{
	signal(SIGPIPE, in->ignores_pipe ? SIG_IGN : SIG_DFL);
	sigprocmask(SIG_SETMASK, &in->mask, NULL);
	if (in->stderr_fd >= 0)
		dup2(in->stderr_fd, STDERR_FILENO);
}

static void redirect_stdio(void)
{
	int null = open("/dev/null", O_RDONLY);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	dup2(STDERR_FILENO, STDOUT_FILENO);
	fputs("stdin/stdout redirected\n", stderr);
}

/* What the client named instead of our descriptors. */
static void open_stdio(const char *const io[3])
{
	for (int i = 0; i < 3; i++) {
		if (!io[i])
			continue;
		int fd = open(io[i],
			      i == 0 ? O_RDONLY | O_NOCTTY
				     : O_WRONLY | O_CREAT | O_NOCTTY | O_APPEND,
			      0666);
		if (fd < 0)
			continue;
		dup2(fd, i);
		if (fd != i)
			close(fd);
	}
}

__attribute__((noreturn)) static void child(const struct live_launch *how, char *command, int gate)
{
	char byte;
	char *shell = getenv("SHELL");
	char sh[] = "/bin/sh", dash_c[] = "-c";

	(void)setpgid(0, 0);
	/* Until the stub has seized us. */
	while (read(gate, &byte, 1) < 0 && errno == EINTR)
		;
	restore_inherited(how->inherit);
	if (how->stdin_null)
		redirect_stdio();
	open_stdio(how->io);
	if (!how->keep_aslr)
		(void)personality((unsigned long)personality(0xffffffff) | ADDR_NO_RANDOMIZE);
	if (how->cwd && chdir(how->cwd) != 0) {
		fprintf(stderr, "Cannot change to %s: %s\n", how->cwd, strerror(errno));
		_exit(EXIT_CANNOT_EXEC);
	}
	if (how->env)
		environ = (char **)(uintptr_t)how->env;
	if (!shell || !*shell)
		shell = sh;
	char *argv[] = { shell, dash_c, command, NULL };
	if (how->no_shell)
		execvp(how->argv[0], how->argv);
	else
		execvp(shell, argv);
	fprintf(stderr, "Cannot exec %s: %s\n", how->no_shell ? how->argv[0] : shell,
		strerror(errno));
	_exit(EXIT_CANNOT_EXEC);
}

/* How many programs are exec'ed before the one that is wanted runs. */
static int expected_execs(const struct live_launch *how)
{
	return 1 + (how->no_shell ? 0 : 1) + (!how->no_shell && how->wrapper ? 1 : 0);
}

static struct err *wait_event(struct live *l, struct stop_event *ret)
{
	struct timespec pause = { 0, 200000 };
	bool more = false;

	for (;;) {
		struct err *err = live_run_ops.next_event(&l->target, ret, &more);
		if (err || more)
			return err;
		(void)nanosleep(&pause, NULL);
	}
}

static struct err *run_to_program(struct live *l, int execs)
{
	struct resume_action go = { .tid = -1, .kind = RESUME_CONT };
	struct stop_event ev = { 0 };

	for (;;) {
		struct err *err = wait_event(l, &ev);
		if (err)
			return err;
		if (ev.kind == STOP_EXITED)
			return err_new(ERR_STATE, "During startup program exited with code %d.",
				       ev.signo);
		if (ev.kind == STOP_KILLED)
			return err_new(ERR_STATE,
				       "During startup program terminated with signal %s.",
				       strsignal(ev.signo));
		if (ev.kind == STOP_EXEC && --execs == 0) {
			lwp_find(l, ev.tid)->exec_done = false; /* nobody has seen it begin */
			return NULL;
		}
		go.signo = ev.kind == STOP_SIGNAL ? ev.signo : 0;
		err = live_run_ops.resume(&l->target, &go, 1);
		if (err)
			return err;
	}
}

static struct err *fork_child(const struct live_launch *how, pid_t *pid_ret, int *gate_ret)
{
	_cleanup_buf_ struct buf command = { 0 };
	int gate[2];

	shell_command(how, &command);
	if (command.failed)
		return &err_nomem;
	if (pipe2(gate, O_CLOEXEC) != 0)
		return err_os("making a pipe");
	pid_t pid = fork();
	if (pid == 0) {
		close(gate[1]);
		child(how, (char *)command.data, gate[0]);
	}
	close(gate[0]);
	if (pid < 0) {
		close(gate[1]);
		return err_os("starting a process");
	}
	*pid_ret = pid;
	*gate_ret = gate[1];
	return NULL;
}

/* The terminal, if there is one, is the program's while it runs. */
static void give_terminal(pid_t pid)
{
	if (!isatty(STDIN_FILENO))
		return;
	void (*old)(int) = signal(SIGTTOU, SIG_IGN);
	(void)tcsetpgrp(STDIN_FILENO, pid);
	signal(SIGTTOU, old);
}

struct err *live_launch(const struct live_launch *how, struct target *beside, struct target **ret)
{
	struct live *l = NULL;
	pid_t pid;
	int gate;
	struct err *err = fork_child(how, &pid, &gate);
	if (err)
		return err;
	(void)setpgid(pid, pid);
	err = live_new(pid, beside, &l);
	if (!err && ptrace(PTRACE_SEIZE, pid, NULL, (long)(LIVE_OPTIONS | PTRACE_O_EXITKILL)) != 0)
		err = err_os("tracing process %d", pid);
	struct lwp *p = err ? NULL : lwp_add(l, pid);
	if (!err && !p)
		err = &err_nomem;
	if (p) {
		p->resumed = true;
		l->phase = LIVE_RUNNING;
		if (!how->stdin_null)
			give_terminal(pid);
	} else {
		(void)kill(pid, SIGKILL);
	}
	close(gate); /* lets it go */
	if (!err)
		err = run_to_program(l, expected_execs(how));
	if (err) {
		if (l)
			l->target.ops->destroy(&l->target);
		return err;
	}
	*ret = &l->target;
	return NULL;
}
