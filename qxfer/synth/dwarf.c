/* SPDX-License-Identifier: MIT */
/*
 * DWARF 4, for gdb from 13 and lldb from 14: a unit for each file, because "app.py:run" is
 * looked for in a whole unit.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/synth/dwarf_names.h"
#include "qxfer/synth/priv.h"

#define DWARF_VERSION 4
#define STR_SLOTS_MIN 1024u

/* The field at @n of the descriptor, which lies at the stack pointer << 6; at most 63. */
#define DESCRIPTOR(sp, n) \
	DW_OP_breg0 + (sp), 0, DW_OP_lit0 + SYNTH_DESCRIPTOR_SHIFT, DW_OP_shl, DW_OP_plus_uconst, n

enum abbrev {
	A_UNIT = 1,
	A_UNIT_DIR,
	A_CHAR,
	A_POINTER,
	A_STRUCT,
	A_MEMBER,
	A_ENUM,
	A_ENUMERATOR,
	A_FUNCTION,	  /* with variables */
	A_FUNCTION_BARE,  /* without */
	A_FUNCTION_NAMED, /* with variables and a qualified name */
	A_FUNCTION_NAMED_BARE,
	A_SPECIAL,
	A_MAIN,
	A_DECOY,
	A_ARGUMENT,
	A_LOCAL,
};

/* clang-format off */
#define END 0, 0

#define UNIT \
	DW_AT_producer, DW_FORM_strp, DW_AT_language, DW_FORM_data2, DW_AT_name, DW_FORM_strp, \
	DW_AT_low_pc, DW_FORM_addr, DW_AT_ranges, DW_FORM_sec_offset, \
	DW_AT_stmt_list, DW_FORM_sec_offset, DW_AT_macro_info, DW_FORM_sec_offset

/*
 * Functions are not external: what a C library has by that name comes first.
 *
 * A qualified name is a linkage name: lldb then finds a method by its plain name as well.  gdb
 * knows it by the qualified one only, as it would with that in DW_AT_name.
 */
#define FUNCTION \
	DW_AT_name, DW_FORM_strp, DW_AT_decl_file, DW_FORM_data1, \
	DW_AT_decl_line, DW_FORM_udata, DW_AT_low_pc, DW_FORM_addr, \
	DW_AT_high_pc, DW_FORM_data4, DW_AT_frame_base, DW_FORM_exprloc, \
	DW_AT_prototyped, DW_FORM_flag_present

static const uint8_t abbrevs[] = {
	A_UNIT, DW_TAG_compile_unit, 1, UNIT, END,
	A_UNIT_DIR, DW_TAG_compile_unit, 1, UNIT, DW_AT_comp_dir, DW_FORM_strp, END,
	A_CHAR, DW_TAG_base_type, 0,
		DW_AT_name, DW_FORM_strp, DW_AT_byte_size, DW_FORM_data1,
		DW_AT_encoding, DW_FORM_data1, END,
	A_POINTER, DW_TAG_pointer_type, 0,
		DW_AT_byte_size, DW_FORM_data1, DW_AT_type, DW_FORM_ref4, END,
	A_STRUCT, DW_TAG_structure_type, 1,
		DW_AT_name, DW_FORM_strp, DW_AT_byte_size, DW_FORM_data1, END,
	A_MEMBER, DW_TAG_member, 0,
		DW_AT_name, DW_FORM_strp, DW_AT_type, DW_FORM_ref4,
		DW_AT_data_member_location, DW_FORM_data1, END,
	A_ENUM, DW_TAG_enumeration_type, 1,
		DW_AT_name, DW_FORM_strp, DW_AT_byte_size, DW_FORM_data1, END,
	A_ENUMERATOR, DW_TAG_enumerator, 0,
		DW_AT_name, DW_FORM_strp, DW_AT_const_value, DW_FORM_sdata, END,
	A_FUNCTION, DW_TAG_subprogram, 1, FUNCTION, END,
	A_FUNCTION_BARE, DW_TAG_subprogram, 0, FUNCTION, END,
	A_FUNCTION_NAMED, DW_TAG_subprogram, 1, FUNCTION, DW_AT_linkage_name, DW_FORM_strp, END,
	A_FUNCTION_NAMED_BARE, DW_TAG_subprogram, 0, FUNCTION, DW_AT_linkage_name, DW_FORM_strp, END,
	A_SPECIAL, DW_TAG_subprogram, 0,
		DW_AT_name, DW_FORM_strp, DW_AT_low_pc, DW_FORM_addr,
		DW_AT_high_pc, DW_FORM_data4, DW_AT_prototyped, DW_FORM_flag_present, END,
	A_MAIN, DW_TAG_subprogram, 0,
		DW_AT_name, DW_FORM_strp, DW_AT_low_pc, DW_FORM_addr, DW_AT_high_pc, DW_FORM_data4,
		DW_AT_prototyped, DW_FORM_flag_present, DW_AT_main_subprogram, DW_FORM_flag_present, END,
	A_DECOY, DW_TAG_variable, 0,
		DW_AT_name, DW_FORM_strp, DW_AT_type, DW_FORM_ref4, DW_AT_const_value, DW_FORM_data1,
		DW_AT_external, DW_FORM_flag_present, END,
	A_ARGUMENT, DW_TAG_formal_parameter, 0,
		DW_AT_name, DW_FORM_strp, DW_AT_type, DW_FORM_ref4,
		DW_AT_location, DW_FORM_exprloc, END,
	A_LOCAL, DW_TAG_variable, 0,
		DW_AT_name, DW_FORM_strp, DW_AT_type, DW_FORM_ref4,
		DW_AT_location, DW_FORM_exprloc, END,
	0,
};

/* What is written by an architecture's numbers of registers. */
struct rules {
	uint16_t machine;
	uint8_t ret; /* the return address's column */
	uint8_t frame_base[8], function[21], root[5];
};

/*
 * The base of a frame: not the descriptor's form above, for gdb takes a first DW_OP_breg for
 * the whole and says so.
 *
 * Of every function: where the CFA and the caller's pc are found.  The caller's stack pointer is
 * the CFA by default.  A rule of its own for it would have gdb compute that of each frame from all
 * younger ones: of 10,000 frames it would read memory 150 million times.
 *
 * Of the root: nothing called it.
 */
#define RULES(sp, column)                                                                       \
	.ret = (column),                                                                        \
	.frame_base = {                                                                     \
		DW_OP_lit0 + SYNTH_DESCRIPTOR_SHIFT, DW_OP_breg0 + (sp), 0, DW_OP_swap,     \
		DW_OP_shl, DW_OP_plus_uconst, offsetof(struct synth_descriptor, locals),    \
		DW_OP_deref },                                                              \
	.function = {                                                                       \
		DW_CFA_def_cfa, (sp), 0,                                                    \
		DW_CFA_def_cfa_expression, 7,                                               \
			DESCRIPTOR(sp, offsetof(struct synth_descriptor, cfa)), DW_OP_deref, \
		DW_CFA_expression, (column), 6,                                                 \
			DESCRIPTOR(sp, offsetof(struct synth_descriptor, ra)) },            \
	.root = { DW_CFA_def_cfa, (sp), 8, DW_CFA_undefined, (column) }

/* x86-64 psABI, "DWARF Register Number Mapping"; DWARF for the Arm 64-bit Architecture, 4.1. */
static const struct rules rules[] = {
	{ .machine = EM_X86_64, RULES(7, 16) },
	{ .machine = EM_AARCH64, RULES(31, 30) },
};
/* clang-format on */

static const struct rules *rules_of(const struct plan *plan)
{
	size_t i = sizeof(rules) / sizeof(rules[0]) - 1;
	while (i && rules[i].machine != plan->options->machine)
		i--;
	return &rules[i];
}

void dwarf_deinit(struct dwarf *d)
{
	buf_deinit(&d->info);
	buf_deinit(&d->abbrev);
	buf_deinit(&d->line);
	buf_deinit(&d->ranges);
	buf_deinit(&d->aranges);
	buf_deinit(&d->str);
	buf_deinit(&d->frame);
	buf_deinit(&d->macinfo);
	free(d->str_slot);
	*d = (struct dwarf){ 0 };
}

/* ---- .debug_str: each text once ---- */

static uint64_t hash_text(const char *text)
{
	uint64_t h = 0xcbf29ce484222325ull;
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3ull;
	return h ^ h >> 32;
}

static uint32_t *str_slot(const struct dwarf *d, uint32_t *slot, size_t n, const char *text)
{
	size_t i = hash_text(text) & (n - 1);
	while (slot[i] && strcmp((const char *)d->str.data + slot[i] - 1, text) != 0)
		i = (i + 1) & (n - 1);
	return &slot[i];
}

static bool grow_str(struct dwarf *d)
{
	if (d->nstr * 2 < d->str_slots)
		return true;
	size_t n = d->str_slots ? d->str_slots * 2 : STR_SLOTS_MIN;
	uint32_t *slot = calloc(n, sizeof(*slot));
	if (!slot)
		return false;
	for (size_t i = 0; i < d->str_slots; i++)
		if (d->str_slot[i])
			*str_slot(d, slot, n, (const char *)d->str.data + d->str_slot[i] - 1) =
				d->str_slot[i];
	free(d->str_slot);
	d->str_slot = slot;
	d->str_slots = n;
	return true;
}

static void put_strp(struct dwarf *d, const char *text)
{
	if (d->str.failed || !grow_str(d)) {
		d->str.failed = true;
		return;
	}
	uint32_t *slot = str_slot(d, d->str_slot, d->str_slots, text);
	if (!*slot) {
		*slot = (uint32_t)d->str.len + 1;
		put_text(&d->str, text);
		d->nstr++;
	}
	put_u32(&d->info, *slot - 1);
}

/* ---- .debug_info ---- */

/* One unit: the functions of a file. */
struct unit {
	const struct plan *plan;
	size_t first, end;	       /* which of the plan's functions */
	uint32_t line, ranges, macros; /* where in those sections */
	size_t start;		       /* in .debug_info */
	uint32_t pointer;	       /* the type's entry */
};

static uint64_t address_of(const struct unit *u, const struct synth_function *f)
{
	return f->pc - u->plan->base;
}

static void put_block(struct buf *out, const uint8_t *block, size_t len)
{
	put_uleb(out, len);
	buf_put(out, block, len);
}

static void put_variable(struct dwarf *d, const struct unit *u, const struct synth_variable *v,
			 size_t i)
{
	uint8_t bytes[16];
	struct buf expr = { .data = bytes, .cap = sizeof(bytes) }; /* never grows */

	put_u8(&expr, DW_OP_fbreg);
	put_sleb(&expr, -SYNTH_SLOT * ((int64_t)i + 1));
	put_uleb(&d->info, v->argument ? A_ARGUMENT : A_LOCAL);
	put_strp(d, v->name);
	put_u32(&d->info, u->pointer);
	put_block(&d->info, expr.data, expr.len);
}

static void put_function(struct dwarf *d, const struct unit *u, const struct function *f)
{
	const struct synth_code *code = &f->pub.code;

	bool named = f->full != f->plain;
	put_uleb(&d->info, (named ? A_FUNCTION_NAMED : A_FUNCTION) + (code->nvariables ? 0 : 1));
	put_strp(d, f->plain);
	put_u8(&d->info, 1);
	put_uleb(&d->info, (uint64_t)code->first_line);
	put_u64(&d->info, address_of(u, &f->pub));
	put_u32(&d->info, synth_text_len(code));
	put_block(&d->info, rules_of(u->plan)->frame_base, sizeof(rules->frame_base));
	if (named)
		put_strp(d, f->full);
	if (!code->nvariables)
		return;
	/* Arguments first: debuggers take them in the order of the entries. */
	for (int argument = 1; argument >= 0; argument--)
		for (size_t i = 0; i < code->nvariables; i++)
			if (code->variables[i].argument == argument)
				put_variable(d, u, &code->variables[i], i);
	put_u8(&d->info, 0);
}

/* Entries of types are told by their place in the unit. */
static uint32_t put_base(struct dwarf *d, const struct unit *u, const char *name, uint8_t size,
			 uint8_t encoding)
{
	uint32_t at = (uint32_t)(d->info.len - u->start);
	put_uleb(&d->info, A_CHAR);
	put_strp(d, name);
	put_u8(&d->info, size);
	put_u8(&d->info, encoding);
	return at;
}

static uint32_t open_sized(struct dwarf *d, const struct unit *u, enum abbrev a, const char *name,
			   uint8_t size)
{
	uint32_t at = (uint32_t)(d->info.len - u->start);
	put_uleb(&d->info, a);
	put_strp(d, name);
	put_u8(&d->info, size);
	return at;
}

static void put_enumerator(struct dwarf *d, const char *name, int64_t value)
{
	put_uleb(&d->info, A_ENUMERATOR);
	put_strp(d, name);
	put_sleb(&d->info, value);
}

static void put_member(struct dwarf *d, const char *name, uint32_t type, size_t offset)
{
	put_uleb(&d->info, A_MEMBER);
	put_strp(d, name);
	put_u32(&d->info, type);
	put_u8(&d->info, (unsigned int)offset);
}

/* struct synth_slot, for the macros. */
static void put_slot_type(struct dwarf *d, const struct unit *u)
{
	uint32_t number = put_base(d, u, "long", 8, DW_ATE_signed);
	uint32_t truth = open_sized(d, u, A_ENUM, VALUE_BOOL, 8);
	put_enumerator(d, "False", 0);
	put_enumerator(d, "True", 1);
	put_u8(&d->info, 0);
	uint32_t none = open_sized(d, u, A_ENUM, VALUE_NONE, 8);
	put_enumerator(d, "None", SYNTH_NONE_NUMBER);
	put_u8(&d->info, 0);
	(void)open_sized(d, u, A_STRUCT, VALUE_TYPE, SYNTH_SLOT);
	put_member(d, VALUE_INT, number, offsetof(struct synth_slot, number));
	put_member(d, VALUE_BOOL, truth, offsetof(struct synth_slot, number));
	put_member(d, VALUE_NONE, none, offsetof(struct synth_slot, number));
	put_member(d, VALUE_KIND, number, offsetof(struct synth_slot, kind));
	put_u8(&d->info, 0);
}

static void put_types(struct dwarf *d, struct unit *u)
{
	uint32_t character = put_base(d, u, "char", 1, DW_ATE_signed_char);
	u->pointer = (uint32_t)(d->info.len - u->start);
	put_uleb(&d->info, A_POINTER);
	put_u8(&d->info, 8);
	put_u32(&d->info, character);
}

static void open_unit(struct dwarf *d, struct unit *u, const char *name, const char *directory)
{
	bool root = u->plan->no_main && !directory && !u->end;
	u->start = d->info.len;
	put_u32(&d->info, 0); /* the length: see close_unit() */
	put_u16(&d->info, DWARF_VERSION);
	put_u32(&d->info, 0);
	put_u8(&d->info, 8);
	put_uleb(&d->info, directory ? A_UNIT_DIR : A_UNIT);
	put_strp(d, "archerfish");
	/*
	 * gdb 16 and later take no main program of C, and where no frame has a language speak
	 * that of the main program.  To those that gdb does not know its expressions are C's; lldb,
	 * which reads no units of languages that it has no types for, has these for Dylan.
	 */
	put_u16(&d->info, root ? DW_LANG_Dylan : DW_LANG_C99);
	put_strp(d, name);
	put_u64(&d->info, 0);
	put_u32(&d->info, u->ranges);
	put_u32(&d->info, u->line);
	put_u32(&d->info, u->macros);
	if (directory)
		put_strp(d, directory);
}

static void close_unit(struct dwarf *d, const struct unit *u)
{
	put_u8(&d->info, 0);
	set_u32(&d->info, u->start, d->info.len - u->start - 4);
}

/* ---- ranges ---- */

static void put_range(struct dwarf *d, uint64_t start, uint64_t len)
{
	put_u64(&d->ranges, start);
	put_u64(&d->ranges, start + len);
	put_u64(&d->aranges, start);
	put_u64(&d->aranges, len);
}

static size_t open_ranges(struct dwarf *d, struct unit *u)
{
	size_t start = d->aranges.len;
	u->ranges = (uint32_t)d->ranges.len;
	put_u32(&d->aranges, 0); /* the length: see close_ranges() */
	put_u16(&d->aranges, 2);
	put_u32(&d->aranges, d->info.len);
	put_u8(&d->aranges, 8);
	put_u8(&d->aranges, 0);
	put_align(&d->aranges, 16);
	return start;
}

static void close_ranges(struct dwarf *d, size_t start)
{
	put_zeros(&d->ranges, 16);
	put_zeros(&d->aranges, 16);
	set_u32(&d->aranges, start, d->aranges.len - start - 4);
}

/* ---- units ---- */

static void put_unit(struct dwarf *d, struct unit *u)
{
	struct function *const *f = u->plan->functions;
	const char *path = f[u->first]->file->path;

	u->line = (uint32_t)d->line.len;
	size_t lines = dwarf_open_lines(&d->line, path), ranges = open_ranges(d, u);
	for (size_t i = u->first; i < u->end; i++) {
		dwarf_put_lines(&d->line, &f[i]->pub, address_of(u, &f[i]->pub));
		put_range(d, address_of(u, &f[i]->pub), synth_text_len(&f[i]->pub.code));
	}
	dwarf_close_lines(&d->line, lines);
	close_ranges(d, ranges);
	u->macros = (uint32_t)d->macinfo.len;
	if (!dwarf_put_macros(&d->macinfo, u->plan->options, f + u->first, u->end - u->first))
		d->macinfo.failed = true;
	open_unit(d, u, path, u->plan->directory);
	put_types(d, u);
	put_slot_type(d, u);
	for (size_t i = u->first; i < u->end; i++)
		put_function(d, u, f[i]);
	close_unit(d, u);
}

static void put_special(struct dwarf *d, enum abbrev abbrev, const char *name, uint64_t at)
{
	put_uleb(&d->info, abbrev);
	put_strp(d, name);
	put_u64(&d->info, at);
	put_u32(&d->info, SPECIAL_SIZE);
}

/*
 * Where gdb finds no symbol `main' of the program it takes a function of that name, and shows
 * no callers of it.  gdb 16 and later ask first for what calls itself the main program, gdb 13
 * takes whatever has the name and is external: nothing there, as this is no function.
 */
static void put_decoy(struct dwarf *d, struct unit *u)
{
	put_types(d, u);
	put_uleb(&d->info, A_DECOY);
	put_strp(d, "main");
	put_u32(&d->info, u->pointer);
	put_u8(&d->info, 0);
}

/* What no file has: no lines, so that none is shown. */
static void put_specials(struct dwarf *d, const struct plan *plan)
{
	struct unit u = { .plan = plan,
			  .line = (uint32_t)d->line.len,
			  .macros = (uint32_t)d->macinfo.len };
	size_t lines = dwarf_open_lines(&d->line, "[python]"), ranges = open_ranges(d, &u);

	dwarf_close_lines(&d->line, lines);
	put_u8(&d->macinfo, 0); /* it has no macros */
	put_range(d, ROOT_OFFSET, SPECIALS_END - ROOT_OFFSET);
	close_ranges(d, ranges);
	open_unit(d, &u, "[python]", NULL);
	if (plan->no_main)
		put_decoy(d, &u);
	put_special(d, plan->no_main ? A_MAIN : A_SPECIAL, "[thread]", ROOT_OFFSET);
	put_special(d, A_SPECIAL, "[C]", BRIDGE_OFFSET);
	close_unit(d, &u);
}

/* ---- .debug_frame ---- */

static size_t put_cie(struct buf *out, uint8_t ret, const uint8_t *program, size_t len)
{
	size_t start = out->len;
	put_u32(out, 0);
	put_u32(out, 0xffffffff);
	put_u8(out, 3);	   /* version */
	put_u8(out, 0);	   /* no augmentation */
	put_uleb(out, 1);  /* code alignment */
	put_sleb(out, -8); /* data alignment */
	put_uleb(out, ret);
	buf_put(out, program, len);
	put_align(out, 8); /* by DW_CFA_nop */
	set_u32(out, start, out->len - start - 4);
	return start;
}

static void put_fde(struct buf *out, size_t cie, uint64_t start, uint64_t end)
{
	put_u32(out, 20);
	put_u32(out, cie);
	put_u64(out, start);
	put_u64(out, end - start);
}

/* All functions unwind alike, so that one entry does for all of the text. */
static void put_frames(struct dwarf *d, const struct plan *plan)
{
	const struct rules *r = rules_of(plan);
	size_t cie = put_cie(&d->frame, r->ret, r->function, sizeof(r->function));
	put_fde(&d->frame, cie, plan->first ? BRIDGE_OFFSET : TEXT_OFFSET, plan->text_end);
	if (plan->first) {
		cie = put_cie(&d->frame, r->ret, r->root, sizeof(r->root));
		put_fde(&d->frame, cie, ROOT_OFFSET, ROOT_OFFSET + SPECIAL_SIZE);
	}
}

bool dwarf_write(struct dwarf *d, const struct plan *plan)
{
	buf_put(&d->abbrev, abbrevs, sizeof(abbrevs));
	if (plan->first)
		put_specials(d, plan);
	for (size_t first = 0, end = 0; first < plan->n; first = end) {
		while (end < plan->n && plan->functions[end]->file == plan->functions[first]->file)
			end++;
		struct unit u = { .plan = plan, .first = first, .end = end };
		put_unit(d, &u);
	}
	put_frames(d, plan);
	return !d->info.failed && !d->abbrev.failed && !d->line.failed && !d->ranges.failed &&
	       !d->aranges.failed && !d->str.failed && !d->frame.failed && !d->macinfo.failed;
}
