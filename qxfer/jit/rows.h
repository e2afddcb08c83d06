/* SPDX-License-Identifier: MIT */
/*
 * Unwinding rules by address for a stretch of code: what a compiler's .eh_frame would
 * have said of it.
 *
 * A table is filled in ascending order of addresses, which are offsets from the begin of
 * its code, so that it holds wherever the code is mapped.  Rules repeat: each is kept
 * once, and a row names it by number.
 */
#ifndef QXFER_JIT_ROWS_H
#define QXFER_JIT_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stub/base/err.h"

/* x86-64 psABI, "DWARF Register Number Mapping". */
enum jit_reg {
	JIT_RAX,
	JIT_RDX,
	JIT_RCX,
	JIT_RBX,
	JIT_RSI,
	JIT_RDI,
	JIT_RBP,
	JIT_RSP,
	JIT_R8,
	JIT_R9,
	JIT_R10,
	JIT_R11,
	JIT_R12,
	JIT_R13,
	JIT_R14,
	JIT_R15,
	JIT_REGS,
	JIT_NO_REG = 0xff,
};

/* The registers that a callee gives back, and their places in jit_rule.at. */
#define JIT_SAVED 6u
extern const uint8_t jit_saved[JIT_SAVED]; /* rbp first */
/* The place of @reg, or JIT_SAVED. */
unsigned int jit_saved_index(unsigned int reg);

enum jit_cfa {
	JIT_CFA_REG,	  /* cfa_reg + cfa_off */
	JIT_CFA_BY_INDEX, /* that while index_reg is 0, and rsp + 8 else */
	JIT_CFA_SAVED,	  /* the word in memory at cfa_reg + cfa_disp, + cfa_off */
};

enum jit_ra {
	JIT_RA_AT_CFA, /* in memory at CFA - 8, as a call leaves it */
	JIT_RA_IN_REG, /* in ra_reg */
	JIT_RA_IN_MEM, /* in memory at ra_reg + ra_disp */
};

/* Where a rule comes from: the better ones are lower. */
enum jit_source {
	JIT_BY_FLOW,	/* control flow from an entry of the function */
	JIT_BY_GUESS,	/* control flow from a place that nothing was seen to lead to */
	JIT_BY_DEFAULT, /* no code was seen: the rule of the single entry */
};

struct jit_rule {
	uint8_t cfa_reg;
	uint8_t ra_kind; /* enum jit_ra */
	uint8_t ra_reg;
	uint8_t source;	  /* enum jit_source */
	uint8_t cfa_kind; /* enum jit_cfa */
	uint8_t index_reg;
	uint16_t zero; /* no padding: rules are compared byte by byte */
	int32_t cfa_disp;
	int32_t cfa_off;
	int32_t ra_disp;
	int32_t at[JIT_SAVED]; /* saved in memory at CFA + at[i]; 0: as the callee left it */
};

#define JIT_NO_RULE UINT32_MAX

struct jit_row {
	uint32_t start; /* up to the next row's */
	uint32_t rule;	/* in jit_table.rule, or JIT_NO_RULE: not described */
};

/* A function, or what is known to be one. */
struct jit_func {
	uint32_t start, len;
	uint32_t name; /* in jit_table.names; 0: none */
};

/* All zero is an empty one. */
struct jit_table {
	struct jit_row *row; /* by start */
	size_t nrows, rows_cap;
	struct jit_rule *rule;
	size_t nrules, rules_cap;
	uint32_t *hash; /* of rules: numbers plus one, open addressing */
	size_t hash_slots;
	struct jit_func *func; /* by start, apart */
	size_t nfuncs, funcs_cap;
	char *names; /* of functions, each with its NUL; the first is empty */
	size_t names_len, names_cap;
	bool failed; /* out of memory: incomplete */
};

void jit_table_deinit(struct jit_table *t);
/* Empty again; keeps its memory. */
void jit_table_clear(struct jit_table *t);

/*
 * From @start on @rule holds (NULL: nothing is known), up to the next call.  @start must not
 * be below the last one; of two at the same place the later is taken.
 */
void jit_table_add(struct jit_table *t, uint32_t start, const struct jit_rule *rule);
/* What @from says of [start, end), which it has rows of. */
void jit_table_copy(struct jit_table *t, const struct jit_table *from, uint32_t start,
		    uint32_t end);
/* @name may be NULL.  To be called in ascending order. */
void jit_table_add_func(struct jit_table *t, uint32_t start, uint32_t len, const char *name);

/* The number of the row that @offset is in; nrows: none. */
size_t jit_table_row(const struct jit_table *t, uint32_t offset);
/* The rule that holds at @offset; NULL: none. */
const struct jit_rule *jit_table_find(const struct jit_table *t, uint32_t offset);
/* The function that @offset is in; NULL: none. */
const struct jit_func *jit_table_func(const struct jit_table *t, uint32_t offset);
/* "" for none. */
const char *jit_table_name(const struct jit_table *t, const struct jit_func *f);

typedef bool (*jit_reader)(void *ctx, uint64_t addr, uint64_t *word);

/* The CFA where the registers are @reg; false: the word that it is made from cannot be read. */
bool jit_rule_cfa(const struct jit_rule *r, const uint64_t reg[JIT_REGS], jit_reader read,
		  void *ctx, uint64_t *cfa);

/* What holds at a function's entry; in a frame that rbp points to. */
struct jit_rule jit_rule_entry(enum jit_source source);
struct jit_rule jit_rule_frame(enum jit_source source);

#endif
