/* SPDX-License-Identifier: MIT */
/* From pcs, lines and names to functions, and what is in the images. */
#include <string.h>

#include "qxfer/synth/priv.h"

/* ---- generations ---- */

size_t synth_generation_count(const struct synth *s)
{
	return s->generations.n;
}

static const struct generation *generation_at(const struct synth *s, size_t i)
{
	return s->generations.item[i];
}

const struct synth_generation *synth_generation_at(const struct synth *s, size_t i)
{
	return i < s->generations.n ? &generation_at(s, i)->pub : NULL;
}

const struct synth_generation *synth_generation_named(const struct synth *s, const char *name)
{
	const char *slash = strrchr(name, '/');
	name = slash ? slash + 1 : name;
	for (size_t i = 0; i < s->generations.n; i++)
		if (strcmp(generation_at(s, i)->pub.name, name) == 0)
			return &generation_at(s, i)->pub;
	return NULL;
}

/* Which generation has @pc, and where in it; that after the last is the pending one. */
static bool find_generation(const struct synth *s, uint64_t pc, size_t *i, uint64_t *offset)
{
	uint64_t at = pc - s->options.base;
	if (pc < s->options.base || at >= SYNTH_SPAN)
		return false;
	*i = (at / SYNTH_SPACING - s->first_slot) % SYNTH_GENERATIONS_MAX;
	*offset = at % SYNTH_SPACING;
	return *i <= s->generations.n;
}

static size_t read_one(const struct synth *s, uint64_t addr, void *buf, size_t len)
{
	size_t i;
	uint64_t offset;
	if (!find_generation(s, addr, &i, &offset) || i == s->generations.n)
		return 0;
	const struct synth_generation *g = &generation_at(s, i)->pub;
	if (offset >= g->mapped)
		return 0;
	size_t n = g->mapped - offset < len ? g->mapped - offset : len;
	memcpy(buf, g->bytes + offset, n);
	return n;
}

/* Generations lie apart, so a read that leaves one has nothing more to find. */
size_t synth_read(const struct synth *s, uint64_t addr, void *buf, size_t len)
{
	return read_one(s, addr, buf, len);
}

/* ---- addresses ---- */

uint64_t synth_root(const struct synth *s)
{
	return synth_base_of(s, 0) + ROOT_OFFSET;
}

uint64_t synth_bridge(const struct synth *s)
{
	return synth_base_of(s, 0) + BRIDGE_OFFSET;
}

uint64_t synth_jit_register(const struct synth *s)
{
	return s->options.jit ? synth_base_of(s, 0) + JIT_OFFSET : 0;
}

uint64_t synth_jit_descriptor(const struct synth *s)
{
	return s->options.jit ? synth_base_of(s, 0) + DESCRIPTOR_OFFSET : 0;
}

uint64_t synth_pc(const struct synth_function *f, int32_t lasti, bool caller)
{
	uint32_t len = synth_text_len(&f->code), at = lasti > 0 ? (uint32_t)lasti : 0;
	at = at < len ? at : len - 1;
	if (caller)
		at = at + 2 < len ? at + 2 : len;
	return f->pc + at;
}

/* ---- pcs ---- */

static void put_function(const struct synth_function *f, uint64_t pc, struct synth_place *ret)
{
	uint32_t offset = (uint32_t)(pc - f->pc);
	const struct synth_row *r = synth_row_at(&f->code, offset);
	*ret = (struct synth_place){
		.kind = SYNTH_FUNCTION,
		.function = f,
		.offset = offset,
		.line = r->line,
		.start = f->pc + r->start,
		.end = f->pc + r->end,
	};
}

static bool put_special(const struct synth *s, uint64_t pc, struct synth_place *ret)
{
	static const enum synth_kind kinds[] = { SYNTH_ROOT, SYNTH_BRIDGE, SYNTH_JIT_REGISTER };
	uint64_t start = synth_root(s), i = (pc - start) / SPECIAL_SIZE;
	if (pc < start || i >= 2u + s->options.jit)
		return false;
	start += i * SPECIAL_SIZE;
	*ret = (struct synth_place){ .kind = kinds[i],
				     .start = start,
				     .end = start + SPECIAL_SIZE };
	return true;
}

bool synth_find_pc(const struct synth *s, uint64_t pc, struct synth_place *ret)
{
	size_t g;
	uint64_t offset;
	if (!find_generation(s, pc, &g, &offset))
		return false;
	bool pending = g == s->generations.n;
	size_t lo = pending ? s->committed : generation_at(s, g)->first;
	size_t end = pending ? s->functions.n : generation_at(s, g)->end, hi = end, first = lo;
	/* The first function that lies behind it. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (synth_function_at(s, mid)->pub.pc <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == first)
		return put_special(s, pc, ret);
	const struct synth_function *f = &synth_function_at(s, lo - 1)->pub;
	if (pc - f->pc > synth_text_len(&f->code))
		return false;
	put_function(f, pc, ret);
	return true;
}

/* ---- names and lines ---- */

/* Whether @name is @path, or what follows one of its slashes. */
static bool path_ends_with(const char *path, const char *name)
{
	size_t len = strlen(path), n = strlen(name);
	if (n > len || strcmp(path + len - n, name) != 0)
		return false;
	return n == len || (name[0] != '/' && path[len - n - 1] == '/');
}

static const struct synth_row *row_of_line(const struct synth_code *code, int32_t line)
{
	for (size_t i = 0; i < code->nrows; i++)
		if (code->rows[i].line == line)
			return &code->rows[i];
	return NULL;
}

void synth_find_line(const struct synth *s, const char *file, int32_t line, synth_visit visit,
		     void *arg)
{
	for (size_t i = 0; i < s->files.n; i++) {
		const struct file *in = s->files.item[i];
		if (!path_ends_with(in->path, file))
			continue;
		for (const struct function *f = in->last; f; f = f->in_file) {
			const struct synth_row *r =
				f->pub.stale ? NULL : row_of_line(&f->pub.code, line);
			if (r && !visit(arg, &f->pub, f->pub.pc + r->start))
				return;
		}
	}
}

void synth_find_name(const struct synth *s, const char *name, synth_visit visit, void *arg)
{
	for (size_t i = 0; i < s->functions.n; i++) {
		const struct synth_function *f = &synth_function_at(s, i)->pub;
		if (f->stale ||
		    (strcmp(f->code.name, name) != 0 && strcmp(f->code.qualname, name) != 0))
			continue;
		if (!visit(arg, f, f->pc + synth_body(&f->code)->start))
			return;
	}
}
