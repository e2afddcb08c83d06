/* SPDX-License-Identifier: MIT */
/*
 * `archerfish pdb': at our terminal, where nothing listens and nobody else can come, or for
 * a client that comes to an address.
 */
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "stub/act_cli_priv.h"
#include "stub/act_talk.h"

#define FOREVER_MS (1000u * 86400 * 20)

struct bridge {
	struct act_cli cli; /* first: see act_cli_priv.h */
	struct act_run run;
	struct act_talk talk;
};

static bool pause_for(void *arg, unsigned int ms)
{
	struct bridge *b = arg;
	return act_talk_pause(&b->talk, ms);
}

static struct err *run_once(void *arg)
{
	struct bridge *b = arg;
	struct act_outcome outcome = { .end = ACT_OK };

	act_init(&b->run.act);
	struct err *err = act_cli_run(&b->cli, &b->run, &outcome);
	if (!err && outcome.end != ACT_OK) {
		fwrite(outcome.text.data, 1, outcome.text.len, stderr);
		err = err_new(ERR_STATE, "no pdb in process %d", b->cli.pid);
	}
	act_outcome_deinit(&outcome);
	act_deinit(&b->run.act);
	return err;
}

/* Waits for a client at @address; the program notices nothing until one has come. */
static struct err *wait_client(struct bridge *b, const char *address, int *ret)
{
	struct listener l;
	_cleanup_buf_ struct buf said = { 0 };

	struct err *err = act_talk_listen(address, &l, &said);
	if (err)
		return err;
	buf_put(&said, "", 1);
	fprintf(stderr, "pdb of process %d waits for: %s\n", b->cli.pid,
		said.failed ? "a client" : (char *)said.data);
	err = act_talk_accept(&l, FOREVER_MS, &b->talk, ret);
	listener_close(&l);
	return err;
}

static struct err *talk(struct bridge *b, const char *address)
{
	int client = -1;

	b->talk.signals = signalfd(-1, &b->cli.ends, SFD_CLOEXEC | SFD_NONBLOCK);
	if (b->talk.signals < 0)
		return err_os("signalfd");
	struct err *err = address ? wait_client(b, address, &client) : NULL;
	if (client >= 0)
		b->talk.in = b->talk.out = client;
	if (!err)
		err = act_talk_follow(&b->talk, run_once, b);
	if (client >= 0)
		close(client);
	close(b->talk.signals);
	return err;
}

int act_cli_pdb(const struct options *o)
{
	struct bridge b = { .cli.pid = o->pid };
	const struct act_ways ways = { act_cli_release, act_cli_regain, pause_for, &b };

	b.run = (struct act_run){ .ways = &ways,
				  .limit_ms = FOREVER_MS,
				  .job = act_talk_job(o->thread, o->pep768) };
	b.talk = (struct act_talk){
		.run = &b.run, .in = STDIN_FILENO, .out = STDOUT_FILENO, .link = -1
	};
	signal(SIGPIPE, SIG_IGN);
	act_cli_block_ends(&b.cli.ends);
	struct err *err = talk(&b, o->address);
	python_destroy(b.run.python);
	return err ? act_cli_fail(err) : 0;
}
