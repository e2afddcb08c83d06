/* SPDX-License-Identifier: MIT */
/*
 * bench PID [ROUNDS]: stops a Python process ROUNDS times for the bare walker and as
 * often for the document python-frames, by turns, and prints as JSON how long each
 * stop took and each walk, in microseconds: the least of all rounds, and the median.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <time.h>

#include "qxfer/python.h"
#include "qxfer/python/state.h"
#include "stub/stacks.h"
#include "stub/target/live.h"
#include "tests/bench/bare.h"

#define ROUNDS_MAX 100000u
#define COMMANDS   20

struct times {
	double *stop, *walk; /* of each round */
};

static double now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static void report(const char *name, const struct times *t, size_t n)
{
	qsort(t->stop, n, sizeof(double), ascending);
	qsort(t->walk, n, sizeof(double), ascending);
	printf("\"%s_stop_us\": %.1f, \"%s_stop_median_us\": %.1f, "
	       "\"%s_walk_us\": %.1f, \"%s_walk_median_us\": %.1f, ",
	       name, t->stop[0], name, t->stop[n / 2], name, t->walk[0], name, t->walk[n / 2]);
}

struct bench {
	struct target *target;
	struct python *py;
	struct bare bare;
	struct buf document;
};

/* ---- as the command does it ---- */

static double seized; /* when the first thread was, 0: not yet */

long __wrap_ptrace(int request, pid_t pid, void *addr, void *data);
long __real_ptrace(int request, pid_t pid, void *addr, void *data);

/* Linked in place of ptrace(): until the first thread is asked to stop, all of them run. */
long __wrap_ptrace(int request, pid_t pid, void *addr, void *data)
{
	if (request == PTRACE_SEIZE && seized <= 0)
		seized = now_us();
	return __real_ptrace(request, pid, addr, data);
}

/* ---- in a session ---- */

/* From the interrupt to the last thread that goes on again. */
static struct err *stop(struct target *t)
{
	struct stop_event event;
	bool stopped = false;
	struct err *err = t->run->interrupt(t);
	while (!err && !stopped)
		err = t->run->next_event(t, &event, &stopped);
	return err;
}

static struct err *resume(struct target *t)
{
	const struct resume_action all = { .tid = -1, .kind = RESUME_CONT };
	return t->run->resume(t, &all, 1);
}

static struct err *walk_bare(struct bench *b)
{
	bare_walk(&b->bare);
	return NULL;
}

/* All that a client's request for the document costs: threads and mappings too. */
static struct err *walk_ours(struct bench *b)
{
	const struct space *space;
	struct err *err = target_space(b->target, &space);
	buf_clear(&b->document);
	return err ? err : python_frames_document(b->py, space, "", &b->document);
}

/* One stop; false, having said why, if it failed. */
static bool do_round(struct bench *b, struct err *(*walk)(struct bench *b), double *stopped,
		     double *walked)
{
	double start = now_us();
	struct err *err = stop(b->target);
	double from = now_us();
	if (!err)
		err = walk(b);
	*walked = now_us() - from;
	if (!err)
		err = resume(b->target);
	*stopped = now_us() - start;
	if (err)
		fprintf(stderr, "%s\n", err->msg);
	err_drop(err);
	return !err;
}

/*
 * As `archerfish stacks' does it: the runtime is found, and only then is the process
 * attached to, read and let go.
 */
static bool command_round(pid_t pid, double *stop)
{
	const struct stacks_options how = { .json = true };
	struct buf text = { 0 };
	struct stacks_found found;
	struct target *target;
	struct err *err = stacks_prepare(pid, &found);
	seized = 0;
	if (!err)
		err = live_attach(pid, &target);
	if (!err) {
		err = stacks_read(target, &found, &how, NULL, &text);
		target->ops->destroy(target);
	}
	*stop = now_us() - seized;
	stacks_found_deinit(&found);
	buf_deinit(&text);
	if (err)
		fprintf(stderr, "%s\n", err->msg);
	err_drop(err);
	return !err;
}

/* The least of a few rounds; negative if it cannot be done. */
static double measure_command(pid_t pid)
{
	double least = -1, stop;
	for (int i = 0; i < COMMANDS; i++) {
		if (!command_round(pid, &stop))
			return -1;
		if (least < 0 || stop < least)
			least = stop;
	}
	return least;
}

/* The bare walker knows the frames of 3.11 and later. */
static bool has_bare(const struct bench *b)
{
	return b->py->rt.off.version_hex >= 0x030b0000;
}

static bool do_rounds(struct bench *b, struct times *bare, struct times *ours, size_t n)
{
	bool ok = true;
	for (size_t i = 0; i < n && ok; i++) {
		if (has_bare(b))
			ok = do_round(b, walk_bare, &bare->stop[i], &bare->walk[i]);
		ok = ok && do_round(b, walk_ours, &ours->stop[i], &ours->walk[i]);
	}
	return ok;
}

static void report_all(const struct bench *b, struct times *bare, struct times *ours, size_t n)
{
	printf("\"python\": \"%s\", \"threads\": %zu, \"frames\": %zu, \"bytes\": %zu, "
	       "\"rounds\": %zu, ",
	       b->py->snap.version, b->py->snap.nthreads, b->py->snap.nframes, b->document.len, n);
	report("ours", ours, n);
	if (has_bare(b)) {
		report("bare", bare, n);
		printf("\"stop_ratio\": %.2f, \"walk_ratio\": %.2f, ",
		       ours->stop[0] / bare->stop[0], ours->walk[0] / bare->walk[0]);
	}
}

static bool measure(struct bench *b, size_t rounds)
{
	struct times bare = { calloc(rounds, 8), calloc(rounds, 8) };
	struct times ours = { calloc(rounds, 8), calloc(rounds, 8) };
	double stopped, walk;
	bool ok = bare.stop && bare.walk && ours.stop && ours.walk;

	/* Where the runtime is, is found once in a session. */
	ok = ok && do_round(b, walk_ours, &stopped, &walk);
	b->bare.off = &b->py->rt.off;
	b->bare.runtime = b->py->rt.addr;
	ok = ok && do_rounds(b, &bare, &ours, rounds);
	if (ok) {
		report_all(b, &bare, &ours, rounds);
		printf("\"first_us\": %.1f}\n", walk);
	}
	free(bare.stop);
	free(bare.walk);
	free(ours.stop);
	free(ours.walk);
	return ok;
}

int main(int argc, char **argv)
{
	static struct bench b;
	size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 300;
	if (argc < 2 || !rounds || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: bench PID [ROUNDS]\n");
		return 2;
	}
	b.bare.pid = (pid_t)strtol(argv[1], NULL, 10);
	double command = measure_command(b.bare.pid);
	if (command < 0)
		return 2;
	printf("{\"command_stop_us\": %.1f, ", command);
	struct err *err = live_attach(b.bare.pid, &b.target);
	if (!err)
		err = resume(b.target);
	if (!err)
		err = python_create(&b.py);
	bool ok = !err && measure(&b, rounds);
	err_drop(err);
	python_destroy(b.py);
	buf_deinit(&b.document);
	if (b.target)
		b.target->ops->destroy(b.target);
	return ok ? 0 : 1;
}
