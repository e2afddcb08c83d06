/* SPDX-License-Identifier: MIT */
/*
 * Whose code it is, and where its functions are.
 */
#include <stdio.h>
#include <string.h>

#include "qxfer/jit/area.h"
#include "qxfer/jit/fallback.h"
#include "qxfer/jit/v8.h"

#define ENDBR_LEN   4u
#define PIECE_ALIGN 16u
#define NAME_ROOM   64u

struct build {
	struct area *a;
	const struct space *s;
	struct flow *flow; /* or NULL */
	uint32_t done;	   /* up to here there are rows */
	bool framed;	   /* what lies between functions is most probably in a frame */
};

/* Between functions: those that were not recognised. */
static void fill_up(struct build *b, uint32_t to)
{
	struct jit_rule rule =
		b->framed ? jit_rule_frame(JIT_BY_DEFAULT) : jit_rule_entry(JIT_BY_DEFAULT);
	if (b->done < to)
		jit_table_add(&b->a->table, b->done, &rule);
	b->done = to;
}

/* Whether it is as it was, and so are its rows. */
static bool is_known(const struct build *b, const struct flow_code *code)
{
	const struct area *a = b->a;
	const struct jit_func *f = jit_table_func(&a->last, code->base);
	const uint8_t *was = NULL;

	if (a->kind == a->last_kind && f && f->start == code->base && f->len == code->len)
		was = area_before(a, code->base, code->len);
	return was && memcmp(was, code->bytes, code->len) == 0;
}

/* A function, by the name that its runtime has told perf, or else @name. */
static void add_function(struct build *b, const struct flow_code *code, const char *name)
{
	struct jit_table *t = &b->a->table;
	char given[PERFMAP_NAME_MAX];

	if (b->a->names && perfmap_name(b->a->names, b->a->start + code->base, given))
		name = given;
	if (t->nfuncs >= AREA_FUNCS_MAX || code->base < b->done)
		return;
	fill_up(b, code->base);
	if (is_known(b, code))
		jit_table_copy(t, &b->a->last, code->base, code->base + code->len);
	else if (b->flow)
		flow_run(b->flow, code, t);
	else
		fallback_each(t, code->bytes, code->base, code->base + code->len);
	jit_table_add_func(t, code->base, code->len, name);
	b->done = code->base + code->len;
}

/* ---- V8: functions compiled from JavaScript ---- */

static bool has_word(const uint8_t *p)
{
	uint64_t word;
	memcpy(&word, p, sizeof(word));
	return word != 0;
}

static void add_v8_function(struct build *b, const uint8_t *bytes, uint32_t at, uint32_t len,
			    uint64_t object)
{
	char name[NAME_ROOM];
	struct flow_code code = { .bytes = bytes, .len = len, .base = at, .whole = true };
	code.baseline = !flow_has_frame(bytes, len);
	snprintf(name, sizeof(name), "js.code.%llx", (unsigned long long)object);
	add_function(b, &code, name);
}

static size_t find_v8_code(struct build *b, const struct area_run *run)
{
	const uint8_t *bytes = b->a->now.data + run->at;
	size_t found = 0;
	uint32_t at = V8_CODE_HEADER;

	while (at < run->len) {
		const uint8_t *code = bytes + at;
		uint64_t object;
		uint32_t len = 0;
		if (has_word(code) || has_word(code - 8))
			len = v8_code_at(b->s, code, b->a->start + run->start + at, run->len - at,
					 &object);
		if (len) {
			add_v8_function(b, code, run->start + at, len, object);
			found++;
			at += (len + V8_CODE_ALIGN - 1) / V8_CODE_ALIGN * V8_CODE_ALIGN;
		} else {
			at += V8_CODE_ALIGN;
		}
	}
	return found;
}

/* ---- pieces that begin in a known way ---- */

static bool starts_with(const uint8_t *p, size_t left, const uint8_t *code, size_t len)
{
	return left >= len && memcmp(p, code, len) == 0;
}

static size_t endbr(const uint8_t *p, size_t left)
{
	static const uint8_t code[ENDBR_LEN] = { 0xf3, 0x0f, 0x1e, 0xfa };
	return starts_with(p, left, code, ENDBR_LEN) ? ENDBR_LEN : 0;
}

static bool begins_frame(const uint8_t *p, size_t left)
{
	size_t skip = endbr(p, left);
	return left >= skip + 4 && flow_has_frame(p + skip, 4);
}

/*
 * Python/asm_trampoline.S (-X perf): a call of the evaluation loop in a frame of its own, copied
 * once for each function.  3.12 and 3.13: sub $8,%rsp; call *%rcx; add $8,%rsp; ret.  3.14 and later:
 * push %rbp; mov %rsp,%rbp; call *%rcx; pop %rbp; ret.
 */
static bool is_trampoline(const uint8_t *p, size_t left)
{
	static const uint8_t old[] = { 0x48, 0x83, 0xec, 0x08, 0xff, 0xd1,
				       0x48, 0x83, 0xc4, 0x08, 0xc3 };
	static const uint8_t frame[] = { 0x55, 0x48, 0x89, 0xe5, 0xff, 0xd1, 0x5d, 0xc3 };
	size_t skip = endbr(p, left);
	p += skip;
	left -= skip;
	return starts_with(p, left, old, sizeof(old)) || starts_with(p, left, frame, sizeof(frame));
}

/*
 * CPython 3.13 and later, PYTHON_JIT: each trace begins on a page; 3.14 enters it by a shim that
 * saves what the traces use as they like, rbp among it: push %r15; push %r14 ..
 */
static bool is_python_shim(const uint8_t *p, size_t left, uint64_t addr)
{
	static const uint8_t pushes[] = { 0x41, 0x57, 0x41, 0x56 };
	size_t skip = endbr(p, left);
	if (addr % MEM_PAGE)
		return false;
	return starts_with(p + skip, left - skip, pushes, sizeof(pushes));
}

typedef bool (*starter)(const uint8_t *p, size_t left, uint64_t addr);

static bool starts_trampoline(const uint8_t *p, size_t left, uint64_t addr)
{
	(void)addr;
	return is_trampoline(p, left);
}

static bool starts_frame(const uint8_t *p, size_t left, uint64_t addr)
{
	(void)addr;
	return begins_frame(p, left);
}

/* In the order that they are tried in. */
static const struct family {
	enum jit_kind kind;
	starter starts;
	uint32_t align;
	const char *name;
	bool calls_body; /* the target of its first call is an entry, too */
} families[] = {
	{ JIT_PERF_TRAMPOLINE, starts_trampoline, PIECE_ALIGN, "py.trampoline", false },
	{ JIT_PYTHON, is_python_shim, MEM_PAGE, "py.jit", true },
	{ JIT_WASM, starts_frame, PIECE_ALIGN, "wasm.code", false },
};

#define CALL_LEN 5u
#define CALL_MAX 64u /* bytes into the shim */

/* The target of the first call; 0: there is none, or it is elsewhere. */
static uint32_t first_call(const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < CALL_MAX && i + CALL_LEN <= len; i++) {
		int32_t by;
		if (p[i] != 0xe8)
			continue;
		memcpy(&by, p + i + 1, sizeof(by));
		int64_t to = (int64_t)i + CALL_LEN + by;
		return to > 0 && to < len ? (uint32_t)to : 0;
	}
	return 0;
}

static void add_piece(struct build *b, const struct family *f, const struct area_run *run,
		      uint32_t from, uint32_t to)
{
	const uint8_t *bytes = b->a->now.data + run->at + from;
	char name[NAME_ROOM];
	uint32_t entry = f->calls_body ? first_call(bytes, to - from) : 0;
	struct flow_code code = { .bytes = bytes, .len = to - from, .base = run->start + from };

	while (code.len && bytes[code.len - 1] == 0)
		code.len--;
	code.entry = &entry;
	code.nentries = entry && entry < code.len;
	code.several = f->calls_body;
	uint64_t at = b->a->start + code.base;
	snprintf(name, sizeof(name), "%s.%llx", f->name, (unsigned long long)at);
	add_function(b, &code, name);
}

/* Each piece reaches as far as the next one begins. */
static size_t find_pieces(struct build *b, const struct family *f, const struct area_run *run)
{
	const uint8_t *bytes = b->a->now.data + run->at;
	uint32_t from = UINT32_MAX;
	size_t found = 0;

	for (uint32_t at = 0; at < run->len; at += f->align) {
		if (!f->starts(bytes + at, run->len - at, b->a->start + run->start + at))
			continue;
		if (from != UINT32_MAX)
			add_piece(b, f, run, from, at);
		from = at;
		found++;
	}
	if (from != UINT32_MAX)
		add_piece(b, f, run, from, run->len);
	return found;
}

/* ---- all of it ---- */

static size_t find_family(struct build *b, const struct family *f)
{
	size_t found = 0;
	for (size_t i = 0; i < b->a->now.nruns; i++)
		found += find_pieces(b, f, &b->a->now.run[i]);
	return found;
}

void area_analyse(struct area *a, const struct space *s, struct flow *f)
{
	struct build b = { .a = a, .s = s, .flow = f, .framed = true };
	size_t found = 0;

	a->kind = JIT_V8_CODE;
	for (size_t i = 0; i < a->now.nruns; i++)
		found += find_v8_code(&b, &a->now.run[i]);
	b.framed = found > 0;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && !found; i++) {
		a->kind = families[i].kind;
		found = find_family(&b, &families[i]);
	}
	if (found) {
		fill_up(&b, (uint32_t)(a->end - a->start));
		return;
	}
	a->kind = JIT_UNKNOWN;
	jit_table_clear(&a->table);
	fallback_single(&a->table, 0, (uint32_t)(a->end - a->start));
}
