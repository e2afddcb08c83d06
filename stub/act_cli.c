/* SPDX-License-Identifier: MIT */
#include "stub/act_cli_priv.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "stub/act_file.h"
#include "stub/act_run.h"
#include "stub/target/live.h"

int act_cli_fail(struct err *err)
{
	fprintf(stderr, "archerfish: %s\n", err->msg);
	err_drop(err);
	return 2;
}

struct err *act_cli_release(void *arg)
{
	struct act_cli *c = arg;
	c->target->ops->destroy(c->target);
	c->target = NULL;
	return NULL;
}

struct err *act_cli_regain(void *arg, struct target **ret)
{
	struct act_cli *c = arg;
	struct err *err = live_attach(c->pid, &c->target);
	*ret = c->target;
	return err;
}

static bool pause_for(void *arg, unsigned int ms)
{
	const struct act_cli *c = arg;
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000l };

	if (!ms)
		ts.tv_nsec = 200000;
	return sigtimedwait(&c->ends, NULL, &ts) > 0;
}

/* What needs nobody to stand still. */
static struct err *prepare(struct act_run *r, pid_t pid)
{
	struct target *look;

	struct err *err = python_create(&r->python);
	if (err)
		return err;
	err = look_open(pid, LOOK_TRIES, &look);
	if (err) {
		err_drop(err); /* attaching says why */
		return NULL;
	}
	act_prepare(&r->act, look, r->python);
	look->ops->destroy(look);
	return NULL;
}

/* 'T' in proc(5)'s stat: it stays where it is whatever we do. */
static struct err *check_job(pid_t pid)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *paren = strrchr(text, ')');
	if (paren && paren[1] == ' ' && paren[2] == 'T')
		return err_new(ERR_STATE,
			       "process %d is stopped by job control: let it go on (kill -CONT %d)",
			       pid, pid);
	return NULL;
}

static struct err *attach(struct act_cli *c)
{
	struct err *err = check_job(c->pid);
	if (!err)
		err = live_attach(c->pid, &c->target);
	if (!err || err->code == ERR_NOMEM)
		return err;
	struct err *whole = err_new(err->code, "process %d: %s", c->pid, err->msg);
	err_drop(err);
	return whole;
}

struct err *act_cli_run(struct act_cli *c, struct act_run *r, struct act_outcome *o)
{
	struct err *err = r->python ? NULL : prepare(r, c->pid);
	if (!err)
		err = attach(c);
	if (err)
		return err;
	r->target = c->target;
	err = act_run(r, o);
	if (c->target)
		err_drop(act_cli_release(c));
	return err;
}

static int print(const struct act_outcome *o)
{
	fwrite(o->output.data, 1, o->output.len, stdout);
	if (fflush(stdout) != 0)
		return 2;
	fwrite(o->text.data, 1, o->text.len, stderr);
	return o->end == ACT_OK ? 0 : 1;
}

void act_cli_block_ends(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, SIGHUP);
	sigprocmask(SIG_BLOCK, ret, NULL);
}

int act_cli_exec(const struct options *o)
{
	struct act_cli c = { .pid = o->pid };
	const struct act_ways ways = { act_cli_release, act_cli_regain, pause_for, &c };
	struct act_run r = { .ways = &ways, .limit_ms = o->timeout * 1000u };
	struct act_outcome outcome = { .end = ACT_OK };
	_cleanup_buf_ struct buf source = { 0 };

	struct err *err = act_file_read(o->script, o->code, &source);
	if (err)
		return act_cli_fail(err);
	act_cli_block_ends(&c.ends);
	act_init(&r.act);
	r.job = (struct act_job){ .source = source.data,
				  .size = source.len,
				  .name = o->code ? "<archerfish -c>" : o->script,
				  .capture = !o->no_output,
				  .official = o->pep768,
				  .thread = o->thread };
	err = act_cli_run(&c, &r, &outcome);
	int status = err ? act_cli_fail(err) : print(&outcome);
	act_deinit(&r.act);
	act_outcome_deinit(&outcome);
	python_destroy(r.python);
	return status;
}
