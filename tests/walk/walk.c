/* SPDX-License-Identifier: MIT */
/*
 * walk PID [WAYS [REPEAT]]: prints what the Python walker sees of a process.  WAYS is a mask of
 * enum py_way; with REPEAT the walk is made so often again and timed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "qxfer/python/state.h"
#include "tests/walk/proc_space.h"

static void print_thread(const struct py_snapshot *s, const struct py_thread *t)
{
	printf("Thread %d 0x%" PRIx64 "%s%s%s%s%s\n", (int)t->tid, t->ident, t->gil ? " gil" : "",
	       t->raising ? " raising " : "", t->raising ? t->raising : "",
	       t->handling ? " handling " : "", t->handling ? t->handling : "");
	for (size_t i = 0; i < t->nframes; i++) {
		const struct py_frame *f = &s->frames[t->first_frame + i];
		printf("  File \"%s\", line %d, in %s", f->file, f->pos.line, f->name);
		printf("   # %s %d:%d-%d:%d lasti %d owner %d%s%s\n", f->qualname, f->pos.line,
		       f->pos.column, f->pos.end_line, f->pos.end_column, f->lasti, (int)f->owner,
		       f->entry ? " entry" : "", f->incomplete ? " incomplete" : "");
	}
	if (t->corrupt)
		printf("  <corrupt: %s>\n", t->corrupt);
}

static void print(const struct py_snapshot *s)
{
	printf("Python %s at 0x%" PRIx64 " by %s%s\n", s->version, s->runtime, s->found_by,
	       s->verified ? "" : ", unverified");
	for (size_t i = 0; i < s->ninterps; i++) {
		const struct py_interp *in = &s->interps[i];
		printf("Interpreter %" PRId64 "%s\n", in->id, in->gc ? " gc" : "");
		for (size_t k = 0; k < in->nthreads; k++)
			print_thread(s, &s->threads[in->first_thread + k]);
		if (in->corrupt)
			printf("  <corrupt: %s>\n", in->corrupt);
	}
	if (s->corrupt)
		printf("<corrupt: %s>\n", s->corrupt);
}

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static struct err *run(struct proc_space *p, struct python *py, unsigned int ways, int repeat)
{
	const struct py_snapshot *snap;
	double start = now();
	bool later;
	struct err *err = NULL;
	if (ways) {
		err = py_runtime_find(&p->space, ways, &py->rt, &later);
		py->epoch = p->space.epoch;
		py->found = !err;
	}
	if (!err)
		err = python_walk(py, &p->space, NULL, &snap);
	if (err)
		return err;
	double end = now();
	print(snap);
	printf("first walk %.3f ms\n", end - start);
	start = now();
	for (int i = 0; i < repeat && !err; i++) {
		mem_invalidate(&p->mem);
		err = python_walk(py, &p->space, NULL, &snap);
	}
	if (repeat)
		printf("then %.4f ms each\n", (now() - start) / repeat);
	return err;
}

int main(int argc, char **argv)
{
	static struct proc_space p;
	struct python *py;
	if (argc < 2 || !proc_space_open(&p, (pid_t)strtol(argv[1], NULL, 10)))
		return 2;
	struct err *err = python_create(&py);
	if (err)
		return 2;
	int status = 0;
	if (!proc_space_stop(&p))
		status = 2;
	else
		err = run(&p, py, argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 0) : 0,
			  argc > 3 ? atoi(argv[3]) : 0);
	if (err) {
		fprintf(stderr, "%s\n", err->msg);
		err_drop(err);
		status = 1;
	}
	proc_space_close(&p);
	python_destroy(py);
	return status;
}
