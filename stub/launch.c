/* SPDX-License-Identifier: MIT */
#include "stub/launch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stub/conn.h"
#include "stub/target/core.h"
#include "stub/target/live.h"

/* A bare name that is a file here is that file, not one of $PATH. */
static void find_program(char **name)
{
	struct stat st;
	char *path;

	if (strchr(*name, '/') || stat(*name, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	path = realpath(*name, NULL);
	if (path)
		*name = path; /* for the life of the stub, like the rest of the command line */
}

static struct err *launch(const struct options *o, struct target **ret)
{
	find_program(&o->argv[0]);
	struct live_launch how = {
		.argv = o->argv,
		.wrapper = o->wrapper,
		.keep_aslr = o->keep_aslr,
		.no_shell = o->no_startup_shell,
		.inherit = &o->inherit,
		.stdin_null = conn_is_stdio(o->comm),
	};
	struct err *err = live_launch(&how, ret);
	if (!err)
		fprintf(stderr, "Process %s created; pid = %d\n", o->argv[0], (*ret)->pid);
	return err;
}

static struct err *attach(const struct options *o, struct target **ret)
{
	struct err *err =
		o->nonblocking ? look_open(o->pid, o->tries, ret) : live_attach(o->pid, ret);
	if (err) {
		struct err *whole =
			err_new(err->code, "Cannot attach to process %d: %s", o->pid, err->msg);
		err_drop(err);
		return whole;
	}
	if (!o->quiet)
		fprintf(stderr, "%s; pid = %d\n", o->nonblocking ? "Looking on" : "Attached",
			o->pid);
	return NULL;
}

static struct err *open_core(const struct options *o, struct target **ret)
{
	const struct core_options how = {
		.core = o->core, .exe = o->exe, .sysroot = o->sysroot, .quiet = o->quiet
	};
	struct err *err = core_open(&how, ret);
	if (err) {
		size_t len = strlen(o->core); /* of a long path the end says more */
		struct err *whole = err_new(err->code, "Cannot open core %s: %s",
					    len > 40 ? o->core + len - 40 : o->core, err->msg);
		err_drop(err);
		return whole;
	}
	if (!o->quiet)
		fprintf(stderr, "Core of process %d\n", (*ret)->pid);
	return NULL;
}

struct err *target_open(const struct options *o, struct target **ret)
{
	if (o->core)
		return open_core(o, ret);
	return o->mode == MODE_LAUNCH ? launch(o, ret) : attach(o, ret);
}

void target_close(struct target *t)
{
	if (t->pid > 0 && !t->look && !t->still)
		fprintf(stderr,
			t->attached ? "Detaching process(es): %d\n" : "Killing process(es): %d\n",
			t->pid);
	t->ops->destroy(t);
}
