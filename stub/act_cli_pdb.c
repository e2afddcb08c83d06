/* SPDX-License-Identifier: MIT */
/*
 * `archerfish pdb': the process has a pair of sockets made, we take one end, and carry
 * lines between it and our terminal.  Nothing listens anywhere, so nobody else can come.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "stub/act_cli_priv.h"
#include "stub/base/io.h"

#define FOREVER_MS (1000u * 86400 * 20)
#define TICK_MS	   50
#define HINT_MS	   2000
#define LEAVE_MS   300

struct bridge {
	struct act_cli cli; /* first: see act_cli_priv.h */
	struct act_run run;
	int link; /* our end; -1: not there yet */
	int signals;
	bool input_over, closed;
	bool interrupted; /* Ctrl-C, not acted upon yet */
	bool gives_up;	  /* Ctrl-C before pdb was there */
	unsigned int waited_ms;
};

static void hang_up(struct bridge *b)
{
	if (b->link >= 0)
		close(b->link);
	b->link = -1;
	b->closed = true;
}

/* What pdb reads at its prompt; follow() sees to it that there is one. */
static void leave(struct bridge *b)
{
	static const char text[] = "detach\n";

	b->input_over = true;
	if (b->link >= 0 && !write_all(b->link, text, sizeof(text) - 1))
		hang_up(b);
}

/* The end of our input, and Ctrl-D, is a detach. */
static void take_input(struct bridge *b)
{
	char text[4096];
	ssize_t n = read(STDIN_FILENO, text, sizeof(text));

	if (n <= 0) {
		(void)write_all(STDOUT_FILENO, "\n", 1);
		leave(b);
	} else if (!write_all(b->link, text, (size_t)n)) {
		hang_up(b);
	}
}

static void take_output(struct bridge *b)
{
	char text[4096];
	ssize_t n = read(b->link, text, sizeof(text));

	if (n <= 0 || !write_all(STDOUT_FILENO, text, (size_t)n))
		hang_up(b);
}

static void take_signal(struct bridge *b)
{
	struct signalfd_siginfo info;

	if (read(b->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGINT)
		b->interrupted = true;
	else
		leave(b);
}

static void carry(struct bridge *b, int ms)
{
	struct pollfd fds[] = {
		{ .fd = b->signals, .events = POLLIN },
		{ .fd = b->link, .events = POLLIN },
		{ .fd = b->link >= 0 && !b->input_over ? STDIN_FILENO : -1, .events = POLLIN },
	};

	if (poll(fds, sizeof(fds) / sizeof(fds[0]), ms) <= 0)
		return;
	if (fds[0].revents)
		take_signal(b);
	if (fds[1].revents && b->link >= 0)
		take_output(b);
	if (fds[2].revents && b->link >= 0)
		take_input(b);
}

static void take_link(struct bridge *b)
{
	b->link = act_take_link(&b->run.act);
	if (b->link >= 0 && !write_all(b->link, "\n", 1))
		hang_up(b);
}

/* While the script runs, which is as long as pdb's prompt is there for the first time. */
static bool pause_for(void *arg, unsigned int ms)
{
	struct bridge *b = arg;

	if (b->link < 0 && !b->closed) {
		take_link(b);
		if (b->waited_ms < HINT_MS && b->waited_ms + ms + 1 >= HINT_MS)
			fprintf(stderr,
				"Waiting for the main thread to come by; Ctrl-C gives up\n");
		b->waited_ms += ms + 1;
		b->gives_up |= b->interrupted || b->input_over;
	}
	carry(b, b->link >= 0 ? TICK_MS : (int)ms + 1);
	return b->gives_up || (b->closed && b->interrupted);
}

static struct err *run_once(struct bridge *b)
{
	struct act_outcome outcome = { .end = ACT_OK };

	act_init(&b->run.act);
	b->interrupted = false;
	struct err *err = act_cli_run(&b->cli, &b->run, &outcome);
	if (!err && outcome.end != ACT_OK) {
		fwrite(outcome.text.data, 1, outcome.text.len, stderr);
		err = err_new(ERR_STATE, "no pdb in process %d", b->cli.pid);
	}
	act_outcome_deinit(&outcome);
	act_deinit(&b->run.act);
	b->interrupted = false; /* at a prompt it meant nothing */
	return err;
}

/* The program runs under pdb; Ctrl-C has the prompt come back where it is. */
static struct err *follow(struct bridge *b)
{
	struct err *err = run_once(b);

	while (!err && !b->closed) {
		carry(b, b->input_over ? LEAVE_MS : -1);
		if ((b->interrupted || b->input_over) && !b->closed)
			err = run_once(b);
	}
	/* It ended, and the connection with it: that is no failure of ours. */
	if (err && b->closed && err->code == ERR_STATE) {
		fprintf(stderr, "%s\n", err->msg);
		err_drop(err);
		err = NULL;
	}
	return err;
}

int act_cli_pdb(const struct options *o)
{
	struct bridge b = { .cli.pid = o->pid, .link = -1 };
	const struct act_ways ways = { act_cli_release, act_cli_regain, pause_for, &b };

	b.run = (struct act_run){ .ways = &ways,
				  .limit_ms = FOREVER_MS,
				  .job = { .source = act_pdb,
					   .size = strlen(act_pdb),
					   .name = "<archerfish pdb>",
					   .bridge = true,
					   .official = o->pep768,
					   .thread = o->thread } };
	signal(SIGPIPE, SIG_IGN);
	act_cli_block_ends(&b.cli.ends);
	b.signals = signalfd(-1, &b.cli.ends, SFD_CLOEXEC | SFD_NONBLOCK);
	struct err *err = b.signals < 0 ? err_os("signalfd") : follow(&b);
	if (b.link >= 0)
		close(b.link);
	if (b.signals >= 0)
		close(b.signals);
	python_destroy(b.run.python);
	return err ? act_cli_fail(err) : 0;
}
