/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer against py-print: any text as the expression, and recorded memory with
 * damage done to it.  The first byte of the input chooses the recording, the second
 * how many of the following groups of seven bytes do one piece of damage each (which
 * word, what with); the rest is the expression.
 */
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python.h"
#include "tests/mem/recorded.h"

#define RECORDINGS_MAX 32u
#define DAMAGE_MAX     8u

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
	if (corpus.n || glob("tests/mem/questions/*.mem", 0, NULL, &files) != 0)
		return &corpus;
	for (size_t i = 0; i < files.gl_pathc && corpus.n < RECORDINGS_MAX; i++)
		if (recorded_load(files.gl_pathv[i], &corpus.rec[corpus.n]))
			corpus.n++;
	globfree(&files);
	return &corpus;
}

static bool damage(const struct recorded *r, const uint8_t d[7], struct undo *undo)
{
	const struct recorded_range *range = &r->range[(d[0] | (size_t)d[1] << 8) % r->nranges];
	const struct recorded_range *other = &r->range[(d[4] | (size_t)d[5] << 8) % r->nranges];
	if (range->len < 8)
		return false;
	uint8_t *word = range->data + (d[2] | (size_t)d[3] << 8) % (range->len / 8) * 8;
	uint64_t value = other->addr + d[6] * 8u;
	if (d[6] & 1)
		value = (uint64_t)(int8_t)d[4] << (d[5] & 63);
	undo->at = word;
	memcpy(undo->was, word, 8);
	memcpy(word, &value, 8);
	return true;
}

static void ask(struct python *py, const struct space *s, const char *text)
{
	const struct python_view view = { .py = py, .space = s, .tid = s->threads[0].tid };
	struct buf out = { 0 };
	err_drop(python_print_text(&view, text, &out));
	err_drop(python_exc_text(&view, "", &out));
	buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct corpus *corpus = load();
	struct undo undo[DAMAGE_MAX];
	struct python *py;
	size_t n = 0;

	if (!corpus->n)
		abort(); /* run it where tests/mem is */
	if (len < 2)
		return 0;
	struct recorded *r = &corpus->rec[data[0] % corpus->n];
	size_t wanted = data[1] % (DAMAGE_MAX + 1);
	for (data += 2, len -= 2; len >= 7 && wanted; data += 7, len -= 7, wanted--)
		n += damage(r, data, &undo[n]);
	char *text = strndup((const char *)data, len);
	mem_invalidate(&r->mem);
	if (text && !python_create(&py)) {
		ask(py, &r->space, text);
		python_destroy(py);
	}
	free(text);
	while (n--)
		memcpy(undo[n].at, undo[n].was, 8);
	return 0;
}
