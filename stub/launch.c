/* SPDX-License-Identifier: MIT */
#include "stub/launch.h"

#include <stdio.h>
#include <string.h>

#include "stub/start.h"
#include "stub/target/core.h"
#include "stub/target/live.h"

static struct err *launch(const struct options *o, struct target **ret)
{
	struct start start;

	start_init(&start, o);
	struct err *err = start_live.launch(&start, NULL, ret);
	start_deinit(&start);
	return err;
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
					    len > 24 ? o->core + len - 24 : o->core, err->msg);
		err_drop(err);
		return whole;
	}
	if (!o->quiet && o->comm)
		fprintf(stderr, "Core of process %d\n", (*ret)->pid);
	return NULL;
}

struct err *target_open(const struct options *o, struct target **ret)
{
	if (o->core)
		return open_core(o, ret);
	if (o->mode == MODE_MULTI)
		return live_none(ret);
	return o->mode == MODE_LAUNCH ? launch(o, ret) : start_live.attach(o, o->pid, NULL, ret);
}

void target_close(struct target *t)
{
	if (t->pid > 0 && !t->look && !t->still)
		fprintf(stderr,
			t->attached ? "Detaching process(es): %d\n" : "Killing process(es): %d\n",
			t->pid);
	t->ops->destroy(t);
}
