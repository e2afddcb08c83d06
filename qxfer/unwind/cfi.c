/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "qxfer/unwind/cfi_priv.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define RECORD_MAX  (1u << 20) /* bytes of one CIE or FDE; real ones have some thousand at most */
#define ENTRIES_MAX (1u << 20)
#define AUGMENT_MAX 16u /* characters of an augmentation */

struct err *cfi_broken(uint64_t at, const char *why)
{
	return err_new(ERR_BAD_DATA, "the unwind table at 0x%llx %s", (unsigned long long)at, why);
}

/* ---- CIE and FDE ---- */

/* The bytes of the record at @addr after its length. */
static struct err *open_record(const struct cfi_table *t, struct cfi_source *s, uint64_t addr,
			       struct cfi_cursor *ret)
{
	struct cfi_cursor c = { .from = s, .at = addr, .end = t->hi };
	if (addr < t->lo || addr >= t->hi)
		return cfi_broken(addr, "lies outside its image");
	uint64_t len = cfi_uint(&c, 4);
	if (len == UINT32_MAX)
		len = cfi_uint(&c, 8);
	if (c.bad || !len || len > RECORD_MAX || len > t->hi - c.at)
		return cfi_broken(addr, "has no valid length");
	c.end = c.at + len;
	*ret = c;
	return NULL;
}

/* The letters after the z: one datum each, in their order. */
static void read_augmentation(struct cfi_cursor *c, const char *letters, struct cfi_cie *cie)
{
	uint64_t len = cfi_uleb(c), end = c->at + len;
	if (len > c->end - c->at) {
		c->bad = true;
		return;
	}
	for (; *letters && !c->bad; letters++) {
		uint8_t enc;
		if (*letters == 'R')
			cie->pointers = (uint8_t)cfi_uint(c, 1);
		else if (*letters == 'L')
			cfi_uint(c, 1);
		else if (*letters == 'S')
			cie->signal = true;
		else if (*letters == 'P') {
			enc = (uint8_t)cfi_uint(c, 1);
			cfi_format(c, enc);
		} else if (*letters != 'B')
			break; /* what follows is not known, but its length is */
	}
	c->at = end;
}

static struct err *read_cie(const struct cfi_table *t, struct cfi_source *s, uint64_t addr,
			    struct cfi_cie *ret)
{
	struct cfi_cursor c;
	char letters[AUGMENT_MAX + 1] = "";
	size_t n = 0;
	struct err *err = open_record(t, s, addr, &c);
	if (err)
		return err;
	uint64_t id = cfi_uint(&c, 4);
	uint64_t version = cfi_uint(&c, 1);
	if (id || (version != 1 && version != 3))
		return cfi_broken(addr, "is of an unknown kind");
	while (n < AUGMENT_MAX && (letters[n] = (char)cfi_uint(&c, 1)))
		n++;
	*ret = (struct cfi_cie){ .augmented = letters[0] == 'z' };
	ret->code_align = cfi_uleb(&c);
	ret->data_align = cfi_sleb(&c);
	ret->ra = version == 1 ? cfi_uint(&c, 1) : cfi_uleb(&c);
	if (ret->augmented)
		read_augmentation(&c, letters + 1, ret);
	else if (letters[0])
		return cfi_broken(addr, "is of an unknown kind");
	ret->program = c;
	if (c.bad || ret->ra >= SPACE_REGS)
		return cfi_broken(addr, "is cut short");
	return NULL;
}

static struct err *read_fde(const struct cfi_table *t, struct cfi_source *s, uint64_t addr,
			    struct cfi_fde *ret)
{
	struct cfi_cursor c;
	struct err *err = open_record(t, s, addr, &c);
	if (err)
		return err;
	uint64_t field = c.at, back = cfi_uint(&c, 4);
	if (c.bad || !back)
		return cfi_broken(addr, "is no description of a function");
	err = read_cie(t, s, field - back, &ret->cie);
	if (err)
		return err;
	ret->start = cfi_pointer(&c, ret->cie.pointers, 0);
	ret->end = ret->start + cfi_format(&c, ret->cie.pointers);
	if (ret->cie.augmented) {
		uint64_t len = cfi_uleb(&c);
		c.bad |= len > c.end - c.at;
		c.at += len;
	}
	ret->program = c;
	return c.bad ? cfi_broken(addr, "is cut short") : NULL;
}

/* ---- .eh_frame alone ---- */

static int by_start(const void *a, const void *b)
{
	const struct cfi_entry *x = a, *y = b;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->fde < y->fde ? -1 : x->fde > y->fde;
}

static bool is_cie(struct cfi_source *s, uint64_t body)
{
	uint32_t id;
	return mem_read_some(s->mem, body, &id, sizeof(id)) == sizeof(id) && !id;
}

static struct err *add_entry(struct cfi_entry **entry, size_t *n, size_t *cap,
			     const struct cfi_fde *fde, uint64_t at)
{
	if (*n == *cap) {
		size_t more = *cap ? *cap * 2 : 1024;
		struct cfi_entry *p = reallocarray(*entry, more, sizeof(*p));
		if (!p)
			return &err_nomem;
		*entry = p;
		*cap = more;
	}
	(*entry)[(*n)++] = (struct cfi_entry){ fde->start, at };
	return NULL;
}

struct err *cfi_index(const struct cfi_table *t, struct cfi_source *s, uint64_t addr, uint64_t size,
		      struct cfi_entry **ret, size_t *n)
{
	uint64_t end = size < t->hi - addr ? addr + size : t->hi;
	size_t cap = 0;
	struct err *err = NULL;
	*ret = NULL;
	*n = 0;
	while (!err && addr < end && *n < ENTRIES_MAX) {
		struct cfi_cursor c = { .end = end };
		struct cfi_fde fde;
		err = open_record(t, s, addr, &c);
		bool described = !err && !is_cie(s, c.at);
		if (described)
			err = read_fde(t, s, addr, &fde);
		if (described && !err)
			err = add_entry(ret, n, &cap, &fde, addr);
		addr = c.end;
	}
	if (*n)
		qsort(*ret, *n, sizeof(**ret), by_start);
	if (err && err->code == ERR_NOMEM)
		return err;
	err_drop(err); /* the terminator, or nothing sound behind it */
	return NULL;
}

static uint64_t find_in_index(const struct cfi_table *t, uint64_t pc)
{
	size_t lo = 0, hi = t->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (t->index[mid].start <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? t->index[lo - 1].fde : 0;
}

/* ---- .eh_frame_hdr ---- */

struct search_table {
	uint64_t at; /* of pairs of int32_t, relative to the header: function, FDE */
	uint64_t n;
};

static struct err *read_header(const struct cfi_table *t, struct cfi_source *s,
			       struct search_table *ret)
{
	struct cfi_cursor c = { .from = s, .at = t->hdr, .end = t->hi };
	uint8_t enc[4];
	for (size_t i = 0; i < ARRAY_SIZE(enc); i++)
		enc[i] = (uint8_t)cfi_uint(&c, 1);
	if (c.bad || enc[0] != 1 || enc[1] == ENC_OMIT || enc[2] == ENC_OMIT ||
	    enc[3] != (ENC_DATAREL | ENC_SDATA4))
		return cfi_broken(t->hdr, "cannot be searched");
	cfi_pointer(&c, enc[1], t->hdr);
	ret->n = cfi_pointer(&c, enc[2], t->hdr);
	ret->at = c.at;
	if (c.bad || ret->n > (t->hi - c.at) / 8)
		return cfi_broken(t->hdr, "has no valid length");
	return NULL;
}

static bool read_pair(const struct cfi_table *t, struct cfi_source *s,
		      const struct search_table *table, uint64_t i, uint64_t pair[2])
{
	int32_t v[2];
	if (!s->left || mem_read_some(s->mem, table->at + 8 * i, v, sizeof(v)) != sizeof(v))
		return false;
	s->left--;
	pair[0] = t->hdr + (uint64_t)(int64_t)v[0];
	pair[1] = t->hdr + (uint64_t)(int64_t)v[1];
	return true;
}

/* The address of the last FDE whose function does not begin behind @pc. */
static struct err *find_fde(const struct cfi_table *t, struct cfi_source *s, uint64_t pc,
			    uint64_t *ret)
{
	struct search_table table;
	uint64_t lo = 0, pair[2];
	if (!t->hdr) {
		*ret = find_in_index(t, pc);
		return NULL;
	}
	struct err *err = read_header(t, s, &table);
	if (err)
		return err;
	*ret = 0;
	for (uint64_t hi = table.n; lo < hi;) {
		uint64_t mid = lo + (hi - lo) / 2;
		if (!read_pair(t, s, &table, mid, pair))
			return cfi_broken(table.at, "cannot be read");
		if (pair[0] > pc) {
			hi = mid;
		} else {
			*ret = pair[1];
			lo = mid + 1;
		}
	}
	return NULL;
}

static struct err *nothing(uint64_t pc)
{
	return err_new(ERR_NOT_FOUND, "nothing says how to unwind 0x%llx", (unsigned long long)pc);
}

/* The last description that does not begin behind @pc. */
static struct err *find_before(const struct cfi_table *t, struct cfi_source *s, uint64_t pc,
			       struct cfi_fde *ret)
{
	uint64_t addr;
	struct err *err = find_fde(t, s, pc, &addr);
	if (err)
		return err;
	err = addr ? read_fde(t, s, addr, ret) : nothing(pc);
	if (!err && (pc < ret->start || ret->end < ret->start))
		err = nothing(pc);
	return err;
}

struct err *cfi_find(const struct cfi_table *t, struct cfi_source *s, uint64_t pc,
		     struct cfi_row *ret)
{
	struct cfi_fde fde;
	struct err *err = find_before(t, s, pc, &fde);
	if (err)
		return err;
	return pc < fde.end ? cfi_run(&fde, pc, ret) : nothing(pc);
}

struct err *cfi_find_before(const struct cfi_table *t, struct cfi_source *s, uint64_t pc,
			    uint64_t gap, struct cfi_row *ret)
{
	struct cfi_fde fde;
	struct err *err = find_before(t, s, pc, &fde);
	if (err)
		return err;
	if (fde.end == fde.start || pc < fde.end || pc - fde.end > gap)
		return nothing(pc);
	return cfi_run(&fde, fde.end - 1, ret);
}

/* ---- applying a row ---- */

static bool is_known(const struct space_regs *regs, unsigned int reg)
{
	return regs->known & 1u << reg;
}

static struct err *find_cfa(const struct cfi_row *row, struct cfi_source *s,
			    const struct space_regs *regs, uint64_t *ret)
{
	if (row->cfa.kind == CFI_IS_EXPR)
		return cfi_eval(s, row->cfa.expr, row->cfa.expr_len, regs, NULL, ret);
	if (row->cfa.kind != CFI_COPY || !is_known(regs, row->cfa.reg))
		return err_new(ERR_BAD_DATA, "the frame at 0x%llx has no address that is known",
			       (unsigned long long)row->pc);
	*ret = regs->value[row->cfa.reg] + (uint64_t)row->cfa.offset;
	return NULL;
}

static struct err *find_register(const struct cfi_rule *rule, struct cfi_source *s,
				 const struct space_regs *regs, uint64_t cfa, uint64_t *ret)
{
	struct err *err;
	uint64_t at;
	switch (rule->kind) {
	case CFI_AT:
		return mem_ptr(s->mem, cfa + (uint64_t)rule->offset, ret);
	case CFI_IS:
		*ret = cfa + (uint64_t)rule->offset;
		return NULL;
	case CFI_COPY:
		*ret = regs->value[rule->reg];
		return is_known(regs, rule->reg)
			       ? NULL
			       : err_new(ERR_BAD_DATA, "register %u is not known", rule->reg);
	case CFI_AT_REG:
		if (!is_known(regs, rule->reg))
			return err_new(ERR_BAD_DATA, "register %u is not known", rule->reg);
		return mem_ptr(s->mem, regs->value[rule->reg] + (uint64_t)rule->offset, ret);
	case CFI_IS_EXPR:
		return cfi_eval(s, rule->expr, rule->expr_len, regs, &cfa, ret);
	default:
		err = cfi_eval(s, rule->expr, rule->expr_len, regs, &cfa, &at);
		return err ? err : mem_ptr(s->mem, at, ret);
	}
}

struct err *cfi_apply(const struct cfi_row *row, struct cfi_source *s, struct space_regs *regs,
		      uint64_t *cfa)
{
	struct space_regs caller = *regs;
	struct err *err = find_cfa(row, s, regs, cfa);
	if (err)
		return err;
	caller.value[SPACE_REG_SP] = *cfa;
	caller.known |= 1u << SPACE_REG_SP;
	for (unsigned int i = 0; i < SPACE_REGS; i++) {
		uint64_t value;
		if (row->reg[i].kind == CFI_KEPT)
			continue;
		caller.known &= ~(1u << i);
		if (row->reg[i].kind == CFI_UNDEFINED)
			continue;
		err = find_register(&row->reg[i], s, regs, *cfa, &value);
		if (err && i == row->ra)
			return err;
		if (err) {
			err_drop(err); /* whoever needs it will say so */
			continue;
		}
		caller.value[i] = value;
		caller.known |= 1u << i;
	}
	caller.value[SPACE_REG_PC] = caller.value[row->ra];
	/* Without a rule there is no way back either. */
	if (row->reg[row->ra].kind == CFI_KEPT || !is_known(&caller, row->ra))
		caller.known &= ~(1u << SPACE_REG_PC);
	else
		caller.known |= 1u << SPACE_REG_PC;
	*regs = caller;
	return NULL;
}
