/* SPDX-License-Identifier: MIT */
/*
 * exact [-l | -c] N PYTHON...: runs chain.py by PYTHON (a command, such as one that enters
 * a root first), stops it N times at random instants, and checks that every stack the
 * walker sees is one that the program can have, to the line, and that its C frames
 * lie around the Python frames that they run.  With -l it only looks
 * and never stops it: then no stack may be wrong that is not marked.  With -c
 * the C stacks may be cut, as where a C library was built without unwind tables.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "qxfer/python.h"
#include "stub/target/look.h"
#include "tests/exact/native.h"
#include "tests/walk/proc_space.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PROGRAM	      "tests/exact/chain.py"

/* The functions of chain.py: from their def to their last line. */
static const struct function {
	const char *name; /* qualname */
	int first, last;
} functions[] = {
	{ "qsort", 20, 25 },
	{ "a", 28, 32 },
	{ "b", 35, 39 },
	{ "c", 42, 46 },
	{ "numbers", 49, 51 },
	{ "through", 54, 55 },
	{ "consume", 58, 62 },
	{ "key", 65, 66 },
	{ "through_c", 69, 71 },
	{ "Made.__init__", 75, 76 },
	{ "making", 79, 83 },
	{ "making.<locals>.<listcomp>", 80, 83 },
	{ "closing", 86, 90 },
	{ "closing.<locals>.inner", 88, 89 },
	{ "leaf", 93, 94 },
	{ "branch", 97, 98 },
	{ "awaiting", 101, 105 },
	{ "caught", 108, 112 },
	{ "each", 115, 116 },
	{ "mapped", 119, 121 },
	{ "compare", 124, 125 },
	{ "through_qsort", 128, 130 },
	{ "squares", 133, 136 },
	{ "squares.<locals>.<genexpr>", 134, 136 },
	{ "held", 139, 144 },
	{ "leaving", 147, 150 },
	{ "throwing", 153, 159 },
	{ "deep_raise", 162, 168 },
	{ "unwinding", 171, 178 },
	{ "Scope.__enter__", 182, 183 },
	{ "Scope.__exit__", 185, 186 },
	{ "Scope.size", 188, 190 },
	{ "scoped", 193, 197 },
	{ "relay", 200, 203 },
	{ "sending", 206, 210 },
	{ "run", 213, 231 },
	{ "brief", 234, 235 },
	{ "churn", 238, 242 },
	{ "main", 245, 251 },
	{ "<module>", 0, 254 },
};

enum boundary { ANY, NO_C, VIA_C };

/* Who may call whom, from which lines, and whether through C. */
static const struct call {
	const char *caller;
	int first, last;
	const char *callee; /* NULL: a function of the standard library */
	enum boundary boundary;
} calls[] = {
	{ "a", 31, 31, "b", NO_C },
	{ "b", 38, 38, "c", NO_C },
	{ "c", 45, 45, "a", NO_C },
	{ "numbers", 51, 51, "a", NO_C },
	{ "through", 55, 55, "numbers", ANY },
	{ "consume", 60, 60, "through", ANY },
	{ "key", 66, 66, "b", NO_C },
	{ "through_c", 70, 71, "key", VIA_C },
	{ "making", 80, 82, "Made.__init__", ANY },
	{ "making", 80, 82, "making.<locals>.<listcomp>", NO_C },
	{ "making.<locals>.<listcomp>", 81, 82, "Made.__init__", ANY }, /* 82: to 3.7 */
	{ "Made.__init__", 76, 76, "c", NO_C },
	{ "closing", 90, 90, "closing.<locals>.inner", NO_C },
	{ "closing.<locals>.inner", 89, 89, "a", NO_C },
	{ "leaf", 94, 94, "b", NO_C },
	{ "branch", 98, 98, "leaf", ANY },
	{ "awaiting", 103, 103, "branch", VIA_C },
	{ "caught", 112, 112, "c", NO_C },
	{ "each", 116, 116, "b", NO_C },
	{ "mapped", 120, 121, "each", VIA_C },
	{ "compare", 125, 125, "c", NO_C },
	{ "qsort", 23, 25, "compare", VIA_C },
	{ "through_qsort", 129, 130, "qsort", NO_C },
	{ "squares", 134, 136, "squares.<locals>.<genexpr>", VIA_C },
	{ "squares.<locals>.<genexpr>", 135, 136, "a", NO_C }, /* 136: to 3.7 */
	{ "held", 141, 141, "b", NO_C },
	{ "held", 144, 144, "a", NO_C },
	{ "leaving", 148, 150, "held", VIA_C },
	{ "throwing", 154, 157, "held", VIA_C },
	{ "throwing", 159, 159, "b", NO_C },
	{ "deep_raise", 164, 164, "a", NO_C },
	{ "deep_raise", 166, 166, "deep_raise", NO_C },
	{ "deep_raise", 168, 168, "c", NO_C },
	{ "unwinding", 173, 173, "deep_raise", NO_C },
	{ "unwinding", 178, 178, "a", NO_C },
	{ "Scope.__enter__", 183, 183, "b", NO_C },
	{ "Scope.__exit__", 186, 186, "c", NO_C },
	{ "Scope.size", 190, 190, "a", NO_C },
	{ "scoped", 195, 195, "Scope.__enter__", ANY },
	{ "scoped", 195, 196, "Scope.__exit__", ANY }, /* 196: to 3.9 */
	{ "scoped", 196, 196, "a", NO_C },
	{ "scoped", 197, 197, "Scope.size", ANY },
	{ "relay", 203, 203, "a", NO_C },
	{ "sending", 207, 210, "relay", VIA_C },
	{ "run", 215, 215, "a", NO_C },
	{ "run", 216, 216, "b", NO_C },
	{ "run", 217, 217, "c", NO_C },
	{ "run", 218, 218, "consume", NO_C },
	{ "run", 219, 219, "through_c", NO_C },
	{ "run", 220, 220, "making", NO_C },
	{ "run", 221, 221, "closing", NO_C },
	{ "run", 222, 222, "awaiting", NO_C },
	{ "run", 223, 223, "caught", NO_C },
	{ "run", 224, 224, "mapped", NO_C },
	{ "run", 225, 225, "through_qsort", NO_C },
	{ "run", 226, 226, "squares", NO_C },
	{ "run", 227, 227, "leaving", NO_C },
	{ "run", 228, 228, "throwing", NO_C },
	{ "run", 229, 229, "unwinding", NO_C },
	{ "run", 230, 230, "scoped", NO_C },
	{ "run", 231, 231, "sending", NO_C },
	/* Its generator dies when the frame that knew it is gone. */
	{ "run", 231, 231, "relay", VIA_C },
	{ "brief", 235, 235, "a", NO_C },
	{ "churn", 240, 242, NULL, ANY },
	{ "main", 249, 249, NULL, ANY },
	{ "main", 251, 251, "run", NO_C },
	{ "<module>", 254, 254, "main", NO_C },
	{ NULL, 0, 0, "run", ANY },
	{ NULL, 0, 0, "churn", ANY },
	{ NULL, 0, 0, "brief", ANY },
};

struct tally {
	pid_t pid;
	unsigned long stops, stacks, frames, wrong;
	unsigned long marked, marked_right; /* of a program that runs: not clean */
	unsigned long incomplete, no_line, empty;
	size_t deepest;
	uint8_t seen[8192]; /* a bit for each place a thread was stopped at, by hash */
	unsigned long places;
	struct native_tally native;
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
		return t->tid && t->tid == tally->pid ? "the main thread without a frame" : NULL;
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

static void check_native(struct python *py, const struct space *s, const struct py_thread *t,
			 struct tally *tally)
{
	const struct py_snapshot *snap;
	struct py_mixed m;
	const char *wrong = native_check(py, s, t, &tally->native, &m);
	if (!wrong || tally->wrong++ >= 10)
		return;
	struct err *err = python_walk(py, s, NULL, &snap);
	err_drop(err);
	printf("thread %d: C frames: %s\n", (int)t->tid, wrong);
	native_show(&m, snap);
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
		const struct py_thread *t = &snap->threads[i];
		const char *wrong = check_stack(snap, t, tally);
		tally->stacks++;
		if (t->torn || (snap->tries && t->corrupt)) {
			tally->marked++;
			tally->marked_right += !wrong;
		} else if (wrong && tally->wrong++ < 10) {
			show(snap, t, wrong);
		}
		if (!wrong && t->tid && s->dwarf_regs)
			check_native(py, s, t, tally);
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

/* The one of these that is not NULL is looked at. */
struct subject {
	struct proc_space *stopped;
	struct target *running;
	bool cut; /* its C stacks may be */
};

static bool look_once(const struct subject *s, struct python *py, struct tally *tally)
{
	const struct space *space;
	if (s->stopped) {
		bool going = proc_space_stop(s->stopped) && check(py, &s->stopped->space, tally);
		proc_space_resume(s->stopped);
		return going;
	}
	s->running->look->refresh(s->running);
	struct err *err = target_space(s->running, &space);
	if (err)
		printf("%s\n", err->msg);
	err_drop(err);
	return !err && check(py, space, tally);
}

static void report(const struct tally *t, bool stopped)
{
	printf("%lu %s, %lu stacks, %lu frames (at most %zu): %lu wrong; "
	       "%lu not begun, %lu without a line, %lu empty, %lu different places\n",
	       t->stops, stopped ? "stops" : "looks", t->stacks, t->frames, t->deepest, t->wrong,
	       t->incomplete, t->no_line, t->empty, t->places);
	if (t->native.stacks)
		printf("%lu C stacks, %lu C frames; %lu loops, %lu of them without a frame; "
		       "%lu marked\n",
		       t->native.stacks, t->native.frames, t->native.loops, t->native.entering,
		       t->native.marked);
	if (!stopped)
		printf("%lu clean, %lu marked (%lu of them right all the same)\n",
		       t->stacks - t->marked, t->marked, t->marked_right);
}

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/*
 * Whenever it wants to, it runs: so a look falls anywhere, not only where the scheduler
 * would take its turn, and takes a millisecond however busy the machine is.  Whoever may
 * not do so (no CAP_SYS_NICE) looks as often, in more time.
 */
static void go_first(void)
{
	const struct sched_param first = { .sched_priority = 1 };
	(void)sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first);
}

static int look_often(const struct subject *s, unsigned long n)
{
	struct tally tally = { .pid = s->stopped ? s->stopped->pid : 0,
			       .native.may_be_cut = s->cut };
	struct python *py;
	unsigned int seed = (unsigned int)time(NULL);
	struct err *err = python_create(&py);
	bool going = !err;
	double start = now();
	printf("seed %u\n", seed);
	go_first();
	while (going && tally.stops < n) {
		wait_a_little(&seed);
		going = look_once(s, py, &tally);
	}
	report(&tally, s->stopped != NULL);
	printf("%.0f a second\n", (double)tally.stops / (now() - start));
	python_destroy(py);
	/* What is not whole says so, and is rare. */
	bool rare = tally.native.marked * 20 <= tally.native.stacks;
	return tally.stops == n && !tally.wrong && rare ? 0 : 1;
}

static int stop_often(pid_t pid, unsigned long n, bool cut)
{
	static struct proc_space p;
	const struct subject s = { .stopped = &p, .cut = cut };
	int status = proc_space_open(&p, pid) ? look_often(&s, n) : 2;
	proc_space_close(&p);
	return status;
}

static int never_stop(pid_t pid, unsigned long n)
{
	struct subject s = { 0 };
	struct err *err = look_open(pid, LOOK_TRIES, &s.running);
	if (err) {
		fprintf(stderr, "%s\n", err->msg);
		err_drop(err);
		return 2;
	}
	int status = look_often(&s, n);
	s.running->ops->destroy(s.running);
	return status;
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
	bool look = argc > 1 && strcmp(argv[1], "-l") == 0;
	bool cut = argc > 1 && strcmp(argv[1], "-c") == 0;
	argc -= look || cut;
	argv += look || cut;
	if (argc < 3) {
		fprintf(stderr, "usage: exact [-l | -c] N PYTHON...\n");
		return 2;
	}
	pid_t pid = start(argv + 2, argc - 2);
	if (pid < 0) {
		fprintf(stderr, "%s does not run %s\n", argv[2], PROGRAM);
		return 2;
	}
	unsigned long n = strtoul(argv[1], NULL, 10);
	int status = look ? never_stop(pid, n) : stop_often(pid, n, cut);
	kill(pid, SIGKILL);
	return status;
}
