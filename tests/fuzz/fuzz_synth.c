/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer against the synthetic library: code objects of any names, lengths and line
 * tables; whatever they are, each byte of a function has one line, pcs lead back to where
 * they came from, and the image's parts lie within it.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/synth/synth.h"

#define ROWS_MAX      64
#define VARIABLES_MAX 8
#define TEXT_MAX      5000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct input {
	const uint8_t *data;
	size_t len;
};

struct table {
	struct synth_row rows[ROWS_MAX];
	struct synth_variable variables[VARIABLES_MAX];
	char texts[3 + VARIABLES_MAX][TEXT_MAX + 1];
};

static uint32_t take(struct input *in, size_t n)
{
	uint32_t v = 0;
	for (size_t i = 0; i < n && in->len; i++, in->data++, in->len--)
		v = v << 8 | *in->data;
	return v;
}

/* Some bytes of the input, repeated: a long text takes a short input. */
static const char *take_text(struct input *in, char *ret)
{
	size_t n = take(in, 1) & 7, times = take(in, 1);
	char part[8];
	for (size_t i = 0; i < n; i++)
		part[i] = (char)(take(in, 1) | !in->len);
	size_t len = times < 0xc0 ? n : n * times * 4;
	len = len < TEXT_MAX ? len : TEXT_MAX;
	for (size_t i = 0; i < len; i++)
		ret[i] = part[i % n];
	ret[len] = '\0';
	return ret;
}

static uint32_t take_size(struct input *in)
{
	uint32_t how = take(in, 1);
	return how < 0xf0 ? how : take(in, how == 0xff ? 4 : 2);
}

static struct synth_code take_code(struct input *in, struct table *t)
{
	struct synth_code code = {
		.addr = take(in, 1),
		.name = take_text(in, t->texts[0]),
		.qualname = take(in, 1) & 1 ? take_text(in, t->texts[1]) : NULL,
		.file = take_text(in, t->texts[2]),
		.first_line = (int32_t)take_size(in),
		.len = take_size(in),
		.rows = t->rows,
		.nrows = take(in, 1) % ROWS_MAX,
		.variables = t->variables,
		.nvariables = take(in, 1) % VARIABLES_MAX,
	};
	uint32_t at = 0;
	for (size_t i = 0; i < code.nrows; i++) {
		/* Mostly in order. */
		uint32_t start = take(in, 1), n = take_size(in);
		start = start < 0xf0 ? at + start / 16 : take(in, 2);
		t->rows[i] = (struct synth_row){ start, start + n, (int32_t)take_size(in) };
		at = start + n;
	}
	for (size_t i = 0; i < code.nvariables; i++)
		t->variables[i] =
			(struct synth_variable){ take_text(in, t->texts[3 + i]), take(in, 1) & 1 };
	return code;
}

static void require(bool so)
{
	if (!so)
		abort();
}

static void check_function(const struct synth *s, const struct synth_function *f)
{
	const struct synth_code *code = &f->code;
	uint32_t at = 0;
	for (size_t i = 0; i < code->nrows; i++) {
		require(code->rows[i].start == at && code->rows[i].end > at);
		require(code->rows[i].line > 0);
		at = code->rows[i].end;
	}
	require(at == (code->len ? code->len : 2));
	for (uint32_t lasti = 0; lasti < at; lasti += at / 16 + 1) {
		struct synth_place p;
		require(synth_find_pc(s, synth_pc(f, (int32_t)lasti, false), &p));
		require(p.function == f && p.offset == lasti);
		require(p.start <= f->pc + lasti && f->pc + lasti < p.end);
		require(synth_find_pc(s, synth_pc(f, (int32_t)lasti, true) - 1, &p));
		require(p.function == f);
	}
}

static void check_image(const struct synth_generation *g)
{
	Elf64_Ehdr eh;
	Elf64_Shdr sh;
	require(g->len >= sizeof(eh) && g->mapped <= g->len);
	memcpy(&eh, g->bytes, sizeof(eh));
	require(eh.e_shoff + eh.e_shnum * sizeof(sh) == g->len);
	for (size_t i = 0; i < eh.e_shnum; i++) {
		memcpy(&sh, g->bytes + eh.e_shoff + i * sizeof(sh), sizeof(sh));
		require(sh.sh_offset <= g->len && sh.sh_size <= g->len - sh.sh_offset);
		require(!(sh.sh_flags & SHF_ALLOC) || sh.sh_addr + sh.sh_size <= g->mapped);
	}
}

static void run(struct synth *s, struct input *in, struct table *t)
{
	const struct synth_function *f;
	const struct synth_generation *g;
	while (in->len) {
		struct synth_code code = take_code(in, t);
		struct err *err = synth_add(s, &code, &f);
		if (!err)
			check_function(s, f);
		if (err && err->code == ERR_STATE)
			synth_clear(s);
		err_drop(err);
		if (take(in, 1) & 1)
			continue;
		err_drop(synth_commit(s, &g));
		if (g)
			check_image(g);
	}
}

static bool is_taken(void *ctx, const char *name)
{
	(void)ctx;
	return name[0] & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct synth_options options = {
		.base = SYNTH_BASE, .machine = EM_X86_64, .directory = "/srv", .is_taken = is_taken
	};
	struct input in = { data, len };
	struct synth *s;
	struct table *t = calloc(1, sizeof(*t));
	struct err *err = synth_create(&options, &s);
	if (t && !err) {
		run(s, &in, t);
		synth_destroy(s);
	}
	err_drop(err);
	free(t);
	return 0;
}
