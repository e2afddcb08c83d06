/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer against the Python walker: recorded memory with damage done to it.
 * The first byte of the input chooses the recording, the second what is asked;
 * each seven bytes after that do one piece of damage.
 */
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python.h"
#include "tests/mem/recorded.h"

#define RECORDINGS_MAX 64u
#define DAMAGE_MAX     64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct undo {
	uint8_t *at;
	uint8_t was[8];
};

struct corpus {
	struct recorded rec[RECORDINGS_MAX];
	size_t n;
};

static struct corpus *load(void)
{
	static struct corpus corpus;
	glob_t files;
	if (corpus.n || glob("tests/mem/*.mem", 0, NULL, &files) != 0 ||
	    glob("tests/mem/values/*.mem", GLOB_APPEND, NULL, &files) != 0 ||
	    glob("tests/mem/library/*.mem", GLOB_APPEND, NULL, &files) != 0 ||
	    glob("tests/mem/tasks/*.mem", GLOB_APPEND, NULL, &files) != 0)
		return &corpus;
	for (size_t i = 0; i < files.gl_pathc && corpus.n < RECORDINGS_MAX; i++)
		if (recorded_load(files.gl_pathv[i], &corpus.rec[corpus.n]))
			corpus.n++;
	globfree(&files);
	return &corpus;
}

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

/* Seven bytes: the word, what is done to it, and with what. */
static bool damage(const struct recorded *r, const uint8_t d[7], struct undo *undo)
{
	uint64_t addr, other, value;
	uint8_t *word = word_at(r, d[0] | (size_t)d[1] << 8 | (size_t)d[2] << 16, &addr);
	size_t operand = d[4] | (size_t)d[5] << 8 | (size_t)d[6] << 16;
	if (!word)
		return false;
	undo->at = word;
	memcpy(undo->was, word, 8);
	memcpy(&value, word, 8);
	switch (d[3] % 6) {
	case 0:
		value = operand;
		break;
	case 1:
		value = ~(uint64_t)operand;
		break;
	case 2:
		value ^= (uint64_t)operand << (d[3] >> 3 & 31);
		break;
	case 3:
		value = word_at(r, operand, &other) ? other : 0;
		break;
	case 4:
		value = addr + (operand & 255) - 128;
		break;
	default:
		value += operand;
	}
	memcpy(word, &value, 8);
	return true;
}

static struct err *ask(unsigned int what, struct python *py, const struct space *s, struct buf *out)
{
	switch (what % 10) {
	case 0:
		return python_frames_document(py, s, "", out);
	case 1:
		return python_frames_document(py, s, ";format=json", out);
	case 2:
		return python_threads_table(py, s, out);
	case 3:
		return python_bt_text(
			&(struct python_view){ .py = py, .space = s, .tid = s->threads[0].tid },
			"full", out);
	case 4:
		return python_thread_text(py, s, s->threads[0].tid, out);
	case 5:
		return python_frames_document(py, s, ";locals", out);
	case 6:
		return python_frames_document(py, s, ";locals;format=json", out);
	case 7:
		return python_tasks_text(py, s, 0, out);
	case 8:
		return python_tasks_document(py, s, ";format=json", out);
	default:
		return python_threads_text(py, s, 0, out);
	}
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct corpus *corpus = load();
	struct undo undo[DAMAGE_MAX];
	struct buf out = { 0 };
	struct python *py;
	size_t n = 0;

	if (!corpus->n)
		abort(); /* run it where tests/mem is */
	if (len < 2)
		return 0;
	struct recorded *r = &corpus->rec[data[0] % corpus->n];
	unsigned int what = data[1];
	for (data += 2, len -= 2; len >= 7 && n < DAMAGE_MAX; data += 7, len -= 7)
		n += damage(r, data, &undo[n]);
	mem_invalidate(&r->mem);
	r->space.thread_regs = what & 64 ? regs : NULL;
	r->space.ctx = r;
	if (!python_create(&py)) {
		err_drop(ask(what, py, &r->space, &out));
		err_drop(ask(what + 1, py, &r->space, &out));
		python_destroy(py);
	}
	buf_deinit(&out);
	while (n--)
		memcpy(undo[n].at, undo[n].was, 8);
	return 0;
}
