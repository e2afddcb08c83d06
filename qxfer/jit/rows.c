/* SPDX-License-Identifier: MIT */
#include "qxfer/jit/rows.h"

#include <stdlib.h>
#include <string.h>

const uint8_t jit_saved[JIT_SAVED] = { JIT_RBP, JIT_RBX, JIT_R12, JIT_R13, JIT_R14, JIT_R15 };

unsigned int jit_saved_index(unsigned int reg)
{
	unsigned int i = 0;
	while (i < JIT_SAVED && jit_saved[i] != reg)
		i++;
	return i;
}

struct jit_rule jit_rule_entry(enum jit_source source)
{
	return (struct jit_rule){ .cfa_reg = JIT_RSP, .cfa_off = 8, .source = (uint8_t)source };
}

struct jit_rule jit_rule_frame(enum jit_source source)
{
	return (struct jit_rule){
		.cfa_reg = JIT_RBP, .cfa_off = 16, .at = { -16 }, .source = (uint8_t)source
	};
}

bool jit_rule_cfa(const struct jit_rule *r, const uint64_t reg[JIT_REGS], jit_reader read,
		  void *ctx, uint64_t *cfa)
{
	uint64_t base = reg[r->cfa_reg];

	if (r->cfa_kind == JIT_CFA_BY_INDEX && reg[r->index_reg]) {
		*cfa = reg[JIT_RSP] + 8;
		return true;
	}
	if (r->cfa_kind == JIT_CFA_SAVED &&
	    !read(ctx, base + (uint64_t)(int64_t)r->cfa_disp, &base))
		return false;
	*cfa = base + (uint64_t)(int64_t)r->cfa_off;
	return true;
}

void jit_table_deinit(struct jit_table *t)
{
	free(t->row);
	free(t->rule);
	free(t->hash);
	free(t->func);
	free(t->names);
	*t = (struct jit_table){ 0 };
}

void jit_table_clear(struct jit_table *t)
{
	t->nrows = t->nrules = t->nfuncs = t->names_len = 0;
	t->failed = false;
	if (t->hash)
		memset(t->hash, 0, t->hash_slots * sizeof(*t->hash));
}

static bool grow(struct jit_table *t, void **array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return true;
	size_t more = *cap ? *cap * 2 : 256;
	void *bigger = n < UINT32_MAX / 2 ? reallocarray(*array, more, size) : NULL;
	if (!bigger) {
		t->failed = true;
		return false;
	}
	*array = bigger;
	*cap = more;
	return true;
}

/* ---- rules ---- */

static size_t hash_of(const struct jit_rule *r)
{
	uint32_t words[sizeof(*r) / sizeof(uint32_t)];
	uint64_t h = 0;
	memcpy(words, r, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		h = (h ^ words[i]) * 0x9e3779b97f4a7c15ull;
	return (size_t)(h >> 32);
}

static uint32_t *slot_of(const struct jit_table *t, const struct jit_rule *r)
{
	size_t i = hash_of(r) & (t->hash_slots - 1);
	while (t->hash[i] && memcmp(&t->rule[t->hash[i] - 1], r, sizeof(*r)) != 0)
		i = (i + 1) & (t->hash_slots - 1);
	return &t->hash[i];
}

static bool grow_hash(struct jit_table *t)
{
	size_t slots = t->hash_slots ? t->hash_slots * 2 : 1024;
	uint32_t *hash = calloc(slots, sizeof(*hash));
	if (!hash) {
		t->failed = true;
		return false;
	}
	free(t->hash);
	t->hash = hash;
	t->hash_slots = slots;
	for (size_t i = 0; i < t->nrules; i++)
		*slot_of(t, &t->rule[i]) = (uint32_t)i + 1;
	return true;
}

static uint32_t number_of(struct jit_table *t, const struct jit_rule *r)
{
	if (t->nrules * 2 >= t->hash_slots && !grow_hash(t))
		return JIT_NO_RULE;
	uint32_t *slot = slot_of(t, r);
	if (*slot)
		return *slot - 1;
	if (!grow(t, (void **)&t->rule, t->nrules, &t->rules_cap, sizeof(*t->rule)))
		return JIT_NO_RULE;
	t->rule[t->nrules++] = *r;
	*slot = (uint32_t)t->nrules;
	return (uint32_t)t->nrules - 1;
}

/* ---- rows ---- */

void jit_table_add(struct jit_table *t, uint32_t start, const struct jit_rule *rule)
{
	uint32_t number = rule ? number_of(t, rule) : JIT_NO_RULE;
	struct jit_row *last = t->nrows && t->row ? &t->row[t->nrows - 1] : NULL;

	if (last && start <= last->start) {
		last->rule = number;
		return;
	}
	if (last && last->rule == number)
		return;
	if (grow(t, (void **)&t->row, t->nrows, &t->rows_cap, sizeof(*t->row)) && t->row)
		t->row[t->nrows++] = (struct jit_row){ start, number };
}

static const struct jit_rule *rule_of(const struct jit_table *t, size_t row)
{
	return t->row[row].rule < t->nrules ? &t->rule[t->row[row].rule] : NULL;
}

size_t jit_table_row(const struct jit_table *t, uint32_t offset)
{
	size_t lo = 0, hi = t->nrows;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (t->row[mid].start <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? lo - 1 : t->nrows;
}

const struct jit_rule *jit_table_find(const struct jit_table *t, uint32_t offset)
{
	size_t row = jit_table_row(t, offset);
	return row < t->nrows ? rule_of(t, row) : NULL;
}

void jit_table_copy(struct jit_table *t, const struct jit_table *from, uint32_t start, uint32_t end)
{
	for (size_t i = jit_table_row(from, start); i < from->nrows && from->row[i].start < end;
	     i++)
		jit_table_add(t, from->row[i].start > start ? from->row[i].start : start,
			      rule_of(from, i));
}

/* ---- functions ---- */

static uint32_t add_name(struct jit_table *t, const char *name)
{
	size_t len = strlen(name) + 1, at = t->names_len ? t->names_len : 1;
	if (at + len > t->names_cap) {
		size_t cap = (at + len) * 2 + 4096;
		char *names = cap < UINT32_MAX / 2 ? realloc(t->names, cap) : NULL;
		if (!names) {
			t->failed = true;
			return 0;
		}
		t->names = names;
		t->names_cap = cap;
	}
	t->names[0] = '\0';
	memcpy(t->names + at, name, len);
	t->names_len = at + len;
	return (uint32_t)at;
}

void jit_table_add_func(struct jit_table *t, uint32_t start, uint32_t len, const char *name)
{
	uint32_t at = name && *name ? add_name(t, name) : 0;
	if (grow(t, (void **)&t->func, t->nfuncs, &t->funcs_cap, sizeof(*t->func)))
		t->func[t->nfuncs++] = (struct jit_func){ start, len, at };
}

const struct jit_func *jit_table_func(const struct jit_table *t, uint32_t offset)
{
	size_t lo = 0, hi = t->nfuncs;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (t->func[mid].start <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || offset - t->func[lo - 1].start >= t->func[lo - 1].len)
		return NULL;
	return &t->func[lo - 1];
}

const char *jit_table_name(const struct jit_table *t, const struct jit_func *f)
{
	return f->name && f->name < t->names_len ? t->names + f->name : "";
}
