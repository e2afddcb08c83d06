/* SPDX-License-Identifier: MIT */
/*
 * What tables for code without any cost: of a process with V8 in it, how long its builtins take when they
 * are seen for the first time and when they were kept, and what is compiled, per stop:
 *
 *	cost PID STOPS
 *
 * Prints one line of JSON: milliseconds of processor time, and sizes.  Between two stops the process
 * runs for some milliseconds.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "qxfer/jit/image.h"
#include "qxfer/jit/jit.h"
#include "stub/unwind_store.h"
#include "tests/unwind/one_space.h"

#define STOPS_MAX 10000
#define RUN_NS	  10000000L

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void fail(const char *what, struct err *err)
{
	fprintf(stderr, "cost: %s: %s\n", what, err ? err->msg : "no");
	exit(1);
}

static struct jit *make(const struct jit_store *store)
{
	struct jit *j;
	struct err *err = jit_create(&j);
	if (err)
		fail("jit_create", err);
	jit_set_store(j, store);
	return j;
}

static void survey(struct jit *j, struct one_space *p, const struct jit_region **r, size_t *n)
{
	struct err *err = jit_survey(j, &p->space, r, n);
	if (err)
		fail("jit_survey", err);
}

static uint64_t builtins(struct one_space *p)
{
	struct jit *j = make(NULL);
	const struct jit_region *r;
	uint64_t at = 0;
	size_t n;
	survey(j, p, &r, &n);
	for (size_t i = 0; i < n && !at; i++)
		if (r[i].kind == JIT_V8_BUILTINS)
			at = r[i].start;
	jit_destroy(j);
	return at;
}

/* The image that the builtins are in, by itself. */
static double one_look(struct one_space *p, const struct jit_store *store, uint64_t at)
{
	struct jit *j = make(store);
	struct jit_place place;
	mem_invalidate(&p->mem);
	double start = now_ms();
	if (!jit_find(j, &p->space, at, &place))
		fail("no builtins", NULL);
	double ms = now_ms() - start;
	jit_destroy(j);
	return ms;
}

static bool is_compiled(const struct jit_region *r)
{
	return !r->fixed;
}

static bool is_fixed(const struct jit_region *r)
{
	return r->fixed;
}

static void run_on(struct one_space *p)
{
	static const struct timespec pause = { .tv_nsec = RUN_NS };
	int status;
	if (ptrace(PTRACE_CONT, p->pid, NULL, NULL))
		fail("it ended", NULL);
	nanosleep(&pause, NULL);
	ptrace(PTRACE_INTERRUPT, p->pid, NULL, NULL);
	if (waitpid(p->pid, &status, __WALL) != p->pid || !WIFSTOPPED(status))
		fail("it ended", NULL);
	one_space_moved(p);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static void per_stop(struct one_space *p, int stops)
{
	static double ms[STOPS_MAX];
	struct jit *j = make(&unwind_store);
	const struct jit_region *r;
	struct jit_image image = { .l_ld = 0 }, fixed = { .l_ld = 0 };
	size_t n, changes = 0;
	uint64_t version = 0;

	survey(j, p, &r, &n);
	struct err *err = jit_image_write(r, n, is_fixed, 0x7e5000001000ull, "a.so", &fixed);
	if (err)
		fail("the image", err);
	for (int i = 0; i < stops; i++) {
		uint64_t was = version;
		run_on(p);
		double start = now_ms();
		survey(j, p, &r, &n);
		version = 0;
		for (size_t k = 0; k < n; k++)
			version += is_compiled(&r[k]) ? r[k].version : 0;
		err = version == was ? NULL
				     : jit_image_write(r, n, is_compiled, 0x7e5000001000ull, "b.so",
						       &image);
		ms[i] = now_ms() - start;
		changes += version != was;
		err_drop(err);
	}
	qsort(ms, (size_t)stops, sizeof(ms[0]), compare);
	printf("\"stop_median\": %.2f, \"stop_95\": %.2f, \"stop_most\": %.2f, \"changed\": %zu, "
	       "\"stops\": %d, \"fixed_bytes\": %zu, \"compiled_bytes\": %zu}\n",
	       ms[stops / 2], ms[stops * 95 / 100], ms[stops - 1], changes, stops, fixed.bytes.len,
	       image.bytes.len);
	buf_deinit(&image.bytes);
	buf_deinit(&fixed.bytes);
	jit_destroy(j);
}

int main(int argc, char **argv)
{
	struct one_space p;
	int stops = argc == 3 ? (int)strtol(argv[2], NULL, 10) : 0;
	if (stops < 1 || stops > STOPS_MAX ||
	    !one_space_open(&p, (pid_t)strtol(argv[1], NULL, 10))) {
		fprintf(stderr, "usage: cost PID STOPS\n");
		return 2;
	}
	uint64_t at = builtins(&p);
	if (!at)
		fail("no builtins", NULL);
	double first = one_look(&p, NULL, at);
	one_look(&p, &unwind_store, at); /* kept by now */
	printf("{\"first\": %.1f, \"kept\": %.2f, ", first, one_look(&p, &unwind_store, at));
	per_stop(&p, stops);
	one_space_close(&p);
	return 0;
}
