/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer against the Python walker: recorded memory with damage done to it.
 * The first byte of the input chooses the recording, the second what is asked, the
 * third how; each seven bytes after that do one piece of damage.  Every word that
 * was recorded can be damaged, and become any other that is about.
 *
 * An answer may not take more reads than what it tells of is worth: see judge().
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python.h"
#include "qxfer/python/state.h"
#include "tests/mem/recorded.h"

#define ARRAY_SIZE(a)  (sizeof(a) / sizeof((a)[0]))
#define RECORDINGS_MAX 256u
#define DAMAGE_MAX     64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct undo {
	uint8_t *at;
	uint8_t was[8];
};

static struct corpus {
	struct recorded rec[RECORDINGS_MAX];
	size_t n;
	const struct mem_ops *recorded;
	struct mem_ops counting;
	size_t reads;	    /* for this answer */
	unsigned int ticks; /* of what is made up about rest */
} corpus;

static size_t read_counted(void *ctx, uint64_t addr, void *buf, size_t len)
{
	corpus.reads++;
	return corpus.recorded->read(ctx, addr, buf, len);
}

/* ---- recordings ---- */

static void load_all(const char *pattern)
{
	glob_t files;
	if (glob(pattern, 0, NULL, &files) != 0)
		return;
	for (size_t i = 0; i < files.gl_pathc; i++) {
		if (corpus.n == RECORDINGS_MAX)
			abort(); /* some would never be tried */
		if (recorded_load(files.gl_pathv[i], &corpus.rec[corpus.n]))
			corpus.n++;
	}
	globfree(&files);
}

/* Words are chosen by 24 bits: see word_at(). */
static void check_reach(const struct recorded *r)
{
	for (size_t i = 0; i < r->nranges; i++)
		if (r->range[i].len > (1u << 24) / r->nranges * 8)
			abort();
}

static void load(void)
{
	if (corpus.n)
		return;
	load_all("tests/mem/*.mem");
	load_all("tests/mem/*/*.mem");
	if (!corpus.n)
		abort(); /* run it where tests/mem is */
	corpus.recorded = corpus.rec[0].mem.ops;
	corpus.counting = (struct mem_ops){ .read = read_counted };
	for (size_t i = 0; i < corpus.n; i++) {
		check_reach(&corpus.rec[i]);
		corpus.rec[i].mem.ops = &corpus.counting;
	}
}

/* ---- damage ---- */

/* The recorded word number @i, counting around. */
static uint8_t *word_at(const struct recorded *r, size_t i, uint64_t *addr)
{
	const struct recorded_range *range = &r->range[i % r->nranges];
	size_t at = i / r->nranges * 8 % range->len;
	if (range->len < 8)
		return NULL;
	if (at > range->len - 8)
		at = range->len - 8;
	*addr = range->addr + at;
	return range->data + at;
}

/* What becomes of the word at @addr, whose value is @value. */
static uint64_t damaged(const struct recorded *r, uint64_t addr, uint64_t value, uint8_t how,
			size_t operand)
{
	uint64_t other;
	const uint8_t *word;
	switch (how % 7) {
	case 0:
		return operand;
	case 1:
		return ~(uint64_t)operand;
	case 2:
		return value ^ (uint64_t)operand << (how >> 3 & 31);
	case 3:
		word = word_at(r, operand, &other);
		if (word)
			memcpy(&value, word, 8);
		return value;
	case 4:
		return addr + (operand & 255) - 128;
	case 5: /* a place that there is */
		return r->range[(operand >> 8) % r->nranges].addr + (operand & 255) * 8;
	default:
		return value + operand;
	}
}

/* Seven bytes: the word, what is done to it, and with what. */
static bool damage(const struct recorded *r, const uint8_t d[7], struct undo *undo)
{
	uint64_t addr, value;
	uint8_t *word = word_at(r, d[0] | (size_t)d[1] << 8 | (size_t)d[2] << 16, &addr);
	if (!word)
		return false;
	undo->at = word;
	memcpy(undo->was, word, 8);
	memcpy(&value, word, 8);
	value = damaged(r, addr, value, d[3], d[4] | (size_t)d[5] << 8 | (size_t)d[6] << 16);
	memcpy(word, &value, 8);
	return true;
}

/* ---- what is asked ---- */

struct question {
	struct python *py;
	const struct space *space;
	struct python_view view;
	struct buf *out;
};

#define ASK(name, call)                                   \
	static struct err *name(const struct question *q) \
	{                                                 \
		return call;                              \
	}
ASK(ask_xml, python_frames_document(q->py, q->space, "", q->out))
ASK(ask_json, python_frames_document(q->py, q->space, ";format=json", q->out))
ASK(ask_locals, python_frames_document(q->py, q->space, ";locals", q->out))
ASK(ask_locals_json, python_frames_document(q->py, q->space, ";locals;format=json", q->out))
ASK(ask_table, python_threads_table(q->py, q->space, q->out))
ASK(ask_bt, python_bt_text(&q->view, "full", q->out))
ASK(ask_all, python_bt_text(&q->view, "all", q->out))
ASK(ask_exceptions, python_exc_text(&q->view, "", q->out))
ASK(ask_print, python_print_text(&q->view, "threading._active", q->out))
ASK(ask_thread, python_thread_text(q->py, q->space, q->view.tid, q->out))
ASK(ask_threads, python_threads_text(q->py, q->space, 0, q->out))
ASK(ask_locks, python_locks_document(q->py, q->space, "", q->out))
ASK(ask_locks_text, python_locks_text(q->py, q->space, q->out))
ASK(ask_tasks, python_tasks_document(q->py, q->space, "", q->out))
ASK(ask_tasks_text, python_tasks_text(q->py, q->space, 0, q->out))

/*
 * And the reads that an answer may take for each thread and frame, besides BASE for
 * finding the runtime, names and code.  A thread's exceptions may be a long chain, a
 * frame may have many variables, and what is told of locks and tasks is found by
 * looking through many objects.
 */
#define BASE  4000u
#define NAMES 40000u /* to look for names of types, once for all variables */
enum { STACKS = 100, RAISED = 2000, VALUES = 5000, SEARCH = 50000 };

static const struct ask {
	struct err *(*ask)(const struct question *q);
	size_t each;
} asks[] = {
	{ ask_xml, RAISED },	     { ask_json, RAISED },	 { ask_locals, VALUES },
	{ ask_locals_json, VALUES }, { ask_table, STACKS },	 { ask_bt, VALUES },
	{ ask_all, VALUES },	     { ask_exceptions, VALUES }, { ask_print, VALUES },
	{ ask_thread, STACKS },	     { ask_threads, STACKS },	 { ask_locks, SEARCH },
	{ ask_locks_text, SEARCH },  { ask_tasks, SEARCH },	 { ask_tasks_text, SEARCH },
};

static void judge(const struct ask *a, const struct question *q)
{
	const struct py_snapshot *snap = &q->py->snap;
	size_t tries = q->space->tries ? q->space->tries : 1;
	size_t things = snap->ninterps + snap->nthreads + snap->nframes;
	size_t base = a->each >= VALUES ? BASE + NAMES : BASE;
	size_t most = (base + a->each * things) * tries;
	if (corpus.reads <= most)
		return;
	fprintf(stderr, "question %zu: %zu reads for %zu interpreters, threads and frames\n",
		(size_t)(a - asks), corpus.reads, things);
	abort();
}

static void answer(const struct ask *a, const struct question *q)
{
	corpus.reads = 0;
	err_drop(a->ask(q));
	judge(a, q);
}

/* As if the registers held addresses that are about. */
static size_t regs(void *ctx, pid_t tid, uint64_t *ret, size_t n)
{
	const struct recorded *r = ctx;
	size_t i = 0;
	for (; i < n && i < r->nranges; i++)
		ret[i] = r->range[(i + (size_t)tid) * 7 % r->nranges].addr;
	return i;
}

/* As if the threads of a program that runs now rested, now did not. */
static uint64_t rest(void *ctx, pid_t tid)
{
	(void)ctx;
	(void)tid;
	return ++corpus.ticks % 5;
}

static bool rested(void *ctx, pid_t tid, uint64_t since)
{
	(void)ctx;
	return (uint64_t)tid + ++corpus.ticks > since && corpus.ticks % 3;
}

enum { WITH_REGS = 1, RUNNING = 2 };

static void ask_twice(struct recorded *r, unsigned int what, unsigned int how)
{
	struct buf out = { 0 };
	struct question q = { .space = &r->space, .out = &out };

	mem_invalidate(&r->mem);
	r->space.thread_regs = how & WITH_REGS ? regs : NULL;
	r->space.tries = how & RUNNING ? 3 : 0;
	r->space.thread_rest = rest;
	r->space.thread_rested = rested;
	r->space.ctx = r;
	corpus.ticks = 0;
	if (!python_create(&q.py)) {
		q.view = (struct python_view){ .py = q.py, .space = q.space };
		if (r->space.nthreads)
			q.view.tid = r->threads[(how >> 2) % r->space.nthreads].tid;
		answer(&asks[what % ARRAY_SIZE(asks)], &q);
		answer(&asks[(what + 1) % ARRAY_SIZE(asks)], &q);
		python_destroy(q.py);
	}
	buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct undo undo[DAMAGE_MAX];
	size_t n = 0;

	load();
	if (len < 3)
		return 0;
	struct recorded *r = &corpus.rec[data[0] % corpus.n];
	unsigned int what = data[1], how = data[2];
	for (data += 3, len -= 3; len >= 7 && n < DAMAGE_MAX; data += 7, len -= 7)
		n += damage(r, data, &undo[n]);
	ask_twice(r, what, how);
	while (n--)
		memcpy(undo[n].at, undo[n].was, 8);
	return 0;
}
