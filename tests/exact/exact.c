/* SPDX-License-Identifier: MIT */
/*
 * exact N PYTHON...: runs chain.py by PYTHON (a command, such as one that enters a
 * root first), stops it N times at random instants, and checks that every stack the
 * walker sees is one that the program can have, to the line.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "qxfer/python.h"
#include "tests/walk/proc_space.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PROGRAM	      "tests/exact/chain.py"

/* The functions of chain.py: from their def to their last line. */
static const struct function {
	const char *name; /* qualname */
	int first, last;
} functions[] = {
	{ "a", 12, 16 },
	{ "b", 19, 23 },
	{ "c", 26, 30 },
	{ "numbers", 33, 35 },
	{ "through", 38, 39 },
	{ "consume", 42, 46 },
	{ "key", 49, 50 },
	{ "through_c", 53, 55 },
	{ "Made.__init__", 59, 60 },
	{ "making", 63, 67 },
	{ "making.<locals>.<listcomp>", 64, 67 },
	{ "closing", 70, 74 },
	{ "closing.<locals>.inner", 72, 73 },
	{ "leaf", 77, 78 },
	{ "branch", 81, 82 },
	{ "awaiting", 85, 89 },
	{ "caught", 92, 96 },
	{ "run", 99, 109 },
	{ "brief", 112, 113 },
	{ "churn", 116, 120 },
	{ "main", 123, 129 },
	{ "<module>", 0, 132 },
};

enum boundary { ANY, NO_C, VIA_C };

/* Who may call whom, from which lines, and whether through C. */
static const struct call {
	const char *caller;
	int first, last;
	const char *callee; /* NULL: a function of the standard library */
	enum boundary boundary;
} calls[] = {
	{ "a", 15, 15, "b", NO_C },
	{ "b", 22, 22, "c", NO_C },
	{ "c", 29, 29, "a", NO_C },
	{ "numbers", 35, 35, "a", NO_C },
	{ "through", 39, 39, "numbers", ANY },
	{ "consume", 44, 44, "through", ANY },
	{ "key", 50, 50, "b", NO_C },
	{ "through_c", 54, 55, "key", VIA_C },
	{ "making", 64, 66, "Made.__init__", ANY },
	{ "making", 64, 66, "making.<locals>.<listcomp>", NO_C },
	{ "making.<locals>.<listcomp>", 65, 66, "Made.__init__", ANY }, /* 66: to 3.7 */
	{ "Made.__init__", 60, 60, "c", NO_C },
	{ "closing", 74, 74, "closing.<locals>.inner", NO_C },
	{ "closing.<locals>.inner", 73, 73, "a", NO_C },
	{ "leaf", 78, 78, "b", NO_C },
	{ "branch", 82, 82, "leaf", ANY },
	{ "awaiting", 87, 87, "branch", VIA_C },
	{ "caught", 96, 96, "c", NO_C },
	{ "run", 101, 101, "a", NO_C },
	{ "run", 102, 102, "b", NO_C },
	{ "run", 103, 103, "c", NO_C },
	{ "run", 104, 104, "consume", NO_C },
	{ "run", 105, 105, "through_c", NO_C },
	{ "run", 106, 106, "making", NO_C },
	{ "run", 107, 107, "closing", NO_C },
	{ "run", 108, 108, "awaiting", NO_C },
	{ "run", 109, 109, "caught", NO_C },
	{ "brief", 113, 113, "a", NO_C },
	{ "churn", 118, 120, NULL, ANY },
	{ "main", 127, 127, NULL, ANY },
	{ "main", 129, 129, "run", NO_C },
	{ "<module>", 132, 132, "main", NO_C },
	{ NULL, 0, 0, "run", ANY },
	{ NULL, 0, 0, "churn", ANY },
	{ NULL, 0, 0, "brief", ANY },
};

struct tally {
	unsigned long stops, stacks, frames, wrong;
	unsigned long incomplete, no_line, empty;
	size_t deepest;
	uint8_t seen[8192]; /* a bit for each place a thread was stopped at, by hash */
	unsigned long places;
};

static void count_place(struct tally *t, const struct py_frame *f)
{
	uint64_t h = ((f->code_addr >> 4) + (uint64_t)f->lasti) * 0x9e3779b97f4a7c15ull >> 48;
	if (!(t->seen[h / 8] >> h % 8 & 1))
		t->places++;
	t->seen[h / 8] |= (uint8_t)(1 << h % 8);
}

static bool is_ours(const struct py_frame *f)
{
	const char *slash = strrchr(f->file, '/');
	return strcmp(slash ? slash + 1 : f->file, "chain.py") == 0;
}

/* To 3.10 code objects know no qualified names, and each frame has a C frame of its own. */
#define VERSION_QUALIFIED 0x030b0000u

/* Whether the table's @name, NULL for other files' functions, means @f's function. */
static bool is_called(const struct py_snapshot *snap, const struct py_frame *f, const char *name)
{
	if (!name || !is_ours(f))
		return !name && !is_ours(f);
	const char *dot = strrchr(name, '.');
	if (snap->version_hex < VERSION_QUALIFIED && dot)
		name = dot + 1;
	return strcmp(name, f->qualname) == 0;
}

static bool is_right_about_c(const struct py_snapshot *snap, const struct call *c,
			     const struct py_frame *callee)
{
	if (snap->version_hex < VERSION_QUALIFIED)
		return callee->entry;
	if (c->boundary == ANY || callee->entry == (c->boundary == VIA_C))
		return true;
	/* A coroutine is made, without C, before it is sent anything. */
	return c->boundary == VIA_C && callee->incomplete;
}

static const char *check_call(const struct py_snapshot *snap, const struct py_frame *caller,
			      const struct py_frame *callee)
{
	bool from = is_ours(caller), to = is_ours(callee);
	if (!from && !to)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct call *c = &calls[i];
		if (!is_called(snap, caller, c->caller) || !is_called(snap, callee, c->callee))
			continue;
		if (from && (caller->pos.line < c->first || caller->pos.line > c->last))
			continue;
		return is_right_about_c(snap, c, callee)
			       ? NULL
			       : "wrong about C between caller and callee";
	}
	return "no such call";
}

/* Of the innermost frame: a line of its function. */
static const char *check_top(const struct py_snapshot *snap, const struct py_frame *f,
			     struct tally *tally)
{
	tally->incomplete += f->incomplete;
	if (f->pos.line < 0) {
		tally->no_line++;
		return NULL;
	}
	for (size_t i = 0; is_ours(f) && i < ARRAY_SIZE(functions); i++)
		if (is_called(snap, f, functions[i].name))
			return f->pos.line >= functions[i].first && f->pos.line <= functions[i].last
				       ? NULL
				       : "line outside of the function";
	return is_ours(f) ? "no such function" : NULL;
}

static const char *check_stack(const struct py_snapshot *snap, const struct py_thread *t,
			       struct tally *tally)
{
	const struct py_frame *f = &snap->frames[t->first_frame];
	size_t n = t->nframes;
	if (t->corrupt)
		return t->corrupt;
	if (!n) {
		tally->empty++; /* a thread that begins or ends */
		return NULL;
	}
	tally->frames += n;
	count_place(tally, f);
	if (n > tally->deepest)
		tally->deepest = n;
	const char *wrong = check_top(snap, f, tally);
	for (size_t i = 0; i + 1 < n && !wrong; i++)
		wrong = f[i + 1].incomplete ? "a caller that has not begun"
					    : check_call(snap, &f[i + 1], &f[i]);
	if (!wrong && is_ours(&f[n - 1]) && strcmp(f[n - 1].name, "<module>") != 0)
		wrong = "ends too early";
	return wrong;
}

static void show(const struct py_snapshot *snap, const struct py_thread *t, const char *wrong)
{
	printf("thread %d: %s\n", (int)t->tid, wrong);
	for (size_t i = 0; i < t->nframes; i++) {
		const struct py_frame *f = &snap->frames[t->first_frame + i];
		printf("  %s:%d %s lasti %d owner %d%s%s\n", f->file, f->pos.line, f->qualname,
		       f->lasti, (int)f->owner, f->entry ? " entry" : "",
		       f->incomplete ? " incomplete" : "");
	}
}

static bool check(struct python *py, const struct space *s, struct tally *tally)
{
	const struct py_snapshot *snap;
	struct err *err = python_walk(py, s, NULL, &snap);
	tally->stops++;
	if (err) {
		printf("stop %lu: %s\n", tally->stops, err->msg);
		err_drop(err);
		return false;
	}
	const char *damage = snap->corrupt;
	for (size_t i = 0; i < snap->ninterps && !damage; i++)
		damage = snap->interps[i].corrupt;
	if (damage || snap->nthreads < 4) {
		printf("stop %lu: %zu threads, %s\n", tally->stops, snap->nthreads,
		       damage ? damage : "which is too few");
		tally->wrong++;
	}
	for (size_t i = 0; i < snap->nthreads; i++) {
		const char *wrong = check_stack(snap, &snap->threads[i], tally);
		tally->stacks++;
		if (wrong && tally->wrong++ < 10)
			show(snap, &snap->threads[i], wrong);
	}
	return true;
}

static void wait_a_little(unsigned int *seed)
{
	/* Long enough that some thread gets the GIL and goes on, mostly. */
	struct timespec ts = { 0, rand_r(seed) % 400000 };
	nanosleep(&ts, NULL);
	for (volatile int i = rand_r(seed) & 0xfff; i > 0; i--)
		;
}

static int stop_often(struct proc_space *p, unsigned long n)
{
	struct tally tally = { 0 };
	struct python *py;
	unsigned int seed = (unsigned int)time(NULL);
	struct err *err = python_create(&py);
	bool going = !err;
	printf("seed %u\n", seed);
	while (going && tally.stops < n) {
		wait_a_little(&seed);
		going = proc_space_stop(p) && check(py, &p->space, &tally);
		proc_space_resume(p);
	}
	printf("%lu stops, %lu stacks, %lu frames (at most %zu): %lu wrong; "
	       "%lu not begun, %lu without a line, %lu empty, %lu different places\n",
	       tally.stops, tally.stacks, tally.frames, tally.deepest, tally.wrong,
	       tally.incomplete, tally.no_line, tally.empty, tally.places);
	python_destroy(py);
	return tally.stops == n && !tally.wrong ? 0 : 1;
}

/* Starts the program and waits until it is on its way. */
static pid_t start(char **command, int n)
{
	int fds[2];
	char path[4096], line[16];
	if (pipe(fds) != 0 || !realpath(PROGRAM, path))
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		char **argv = calloc((size_t)n + 2, sizeof(char *));
		memcpy(argv, command, (size_t)n * sizeof(char *));
		argv[n] = path;
		dup2(fds[1], STDOUT_FILENO);
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	close(fds[1]);
	ssize_t got = read(fds[0], line, sizeof(line));
	if (pid > 0 && got > 0)
		return pid;
	if (pid > 0)
		kill(pid, SIGKILL);
	return -1;
}

int main(int argc, char **argv)
{
	static struct proc_space p;
	int status = 2;
	if (argc < 3) {
		fprintf(stderr, "usage: exact N PYTHON...\n");
		return 2;
	}
	pid_t pid = start(argv + 2, argc - 2);
	if (pid < 0) {
		fprintf(stderr, "%s does not run %s\n", argv[2], PROGRAM);
		return 2;
	}
	if (proc_space_open(&p, pid))
		status = stop_often(&p, strtoul(argv[1], NULL, 10));
	proc_space_close(&p);
	kill(pid, SIGKILL);
	return status;
}
