/* SPDX-License-Identifier: MIT */
/* The synthetic library: what was put in is read back from its images. */
#include <criterion/criterion.h>
#include <elf.h>
#include <libelf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/synth/synth.h"

/* ---- code objects ---- */

static const struct synth_row rows[] = {
	{ 0, 2, 10 }, { 2, 8, 11 }, { 8, 12, -1 }, { 12, 20, 13 }, { 20, 24, 11 }, { 24, 30, 200 },
};
static const struct synth_variable variables[] = { { "self", true }, { "x", false } };

static struct synth_code make_code(uint64_t addr, const char *name)
{
	return (struct synth_code){
		.addr = addr,
		.name = name,
		.file = "/srv/app.py",
		.first_line = 10,
		.len = 30,
		.rows = rows,
		.nrows = sizeof(rows) / sizeof(rows[0]),
		.variables = variables,
		.nvariables = 2,
	};
}

static struct synth *make_synth(void)
{
	const struct synth_options options = {
		.base = SYNTH_BASE, .machine = EM_X86_64, .directory = "/srv", .jit = true
	};
	struct synth *s = NULL;
	cr_assert_null(synth_create(&options, &s));
	return s;
}

static const struct synth_function *add(struct synth *s, const struct synth_code *code)
{
	const struct synth_function *f = NULL;
	struct err *err = synth_add(s, code, &f);
	cr_assert_null(err, "%s", err->msg);
	return f;
}

static const struct synth_function *add_named(struct synth *s, uint64_t addr, const char *name)
{
	struct synth_code code = make_code(addr, name);
	return add(s, &code);
}

static const struct synth_generation *commit(struct synth *s)
{
	const struct synth_generation *g = NULL;
	cr_assert_null(synth_commit(s, &g));
	return g;
}

/* ---- images ---- */

struct image {
	Elf *elf;
	const struct synth_generation *g;
};

static struct image open_image(const struct synth_generation *g)
{
	elf_version(EV_CURRENT);
	char *bytes = (char *)(uintptr_t)g->bytes; /* libelf takes it for writable; it only reads */
	struct image i = { elf_memory(bytes, g->len), g };
	cr_assert_not_null(i.elf);
	return i;
}

static Elf64_Shdr *find_section(struct image *i, const char *name, Elf_Data **data)
{
	size_t names;
	Elf_Scn *scn = NULL;
	cr_assert_eq(elf_getshdrstrndx(i->elf, &names), 0);
	while ((scn = elf_nextscn(i->elf, scn))) {
		Elf64_Shdr *sh = elf64_getshdr(scn);
		if (strcmp(elf_strptr(i->elf, names, sh->sh_name), name) != 0)
			continue;
		*data = elf_getdata(scn, NULL);
		return sh;
	}
	cr_assert_fail("no section %s", name);
	return NULL;
}

/* The value of a symbol, by its whole name; 0: there is none. */
static uint64_t find_symbol(struct image *i, const char *name)
{
	Elf_Data *data = NULL;
	Elf64_Shdr *sh = find_section(i, ".symtab", &data);
	const Elf64_Sym *sym = data->d_buf;
	for (size_t n = 1; n < data->d_size / sizeof(*sym); n++)
		if (strcmp(elf_strptr(i->elf, sh->sh_link, sym[n].st_name), name) == 0)
			return sym[n].st_value;
	return 0;
}

Test(synth, an_image_is_a_shared_object_with_what_the_debuggers_list_says)
{
	struct synth *s = make_synth();
	add_named(s, 0x1000, "run");
	const struct synth_generation *g = commit(s);
	struct image i = open_image(g);

	Elf64_Ehdr *eh = elf64_getehdr(i.elf);
	cr_assert_eq(eh->e_type, ET_DYN);
	cr_assert_eq(eh->e_machine, EM_X86_64);
	Elf64_Phdr *ph = elf64_getphdr(i.elf);
	size_t seen = 0;
	for (size_t n = 0; n < eh->e_phnum; n++)
		if (ph[n].p_type == PT_DYNAMIC)
			seen += g->l_addr + ph[n].p_vaddr == g->l_ld;
		else if (ph[n].p_type == PT_LOAD)
			cr_assert_leq(ph[n].p_vaddr + ph[n].p_memsz, g->mapped);
	cr_assert_eq(seen, 1);

	struct link_map lm;
	cr_assert_eq(synth_read(s, g->lm, &lm, sizeof(lm)), sizeof(lm));
	cr_assert_eq(lm.l_addr, g->l_addr);
	cr_assert_eq((uint64_t)(uintptr_t)lm.l_ld, g->l_ld);
	char name[32];
	cr_assert_geq(synth_read(s, (uint64_t)(uintptr_t)lm.l_name, name, sizeof(name)), 9);
	cr_assert_str_eq(name, g->name);
	elf_end(i.elf);
	synth_destroy(s);
}

Test(synth, symbols_are_prefixed_and_where_the_functions_are)
{
	struct synth *s = make_synth();
	const struct synth_function *f = add_named(s, 0x1000, "malloc");
	const struct synth_generation *g = commit(s);
	struct image i = open_image(g);

	cr_assert_eq(find_symbol(&i, "malloc"), 0);
	cr_assert_eq(g->l_addr + find_symbol(&i, "py.malloc.1"), f->pc);
	cr_assert_eq(g->l_addr + find_symbol(&i, "__morestack"), synth_bridge(s));
	cr_assert_eq(g->l_addr + find_symbol(&i, "__jit_debug_register_code"),
		     synth_jit_register(s));
	cr_assert_eq(g->l_addr + find_symbol(&i, "__jit_debug_descriptor"),
		     synth_jit_descriptor(s));
	elf_end(i.elf);
	synth_destroy(s);
}

Test(synth, the_text_is_jumps_to_the_next_unit)
{
	struct synth *s = make_synth();
	const struct synth_function *f = add_named(s, 0x1000, "run");
	uint8_t text[30], past[2];

	cr_assert_eq(synth_read(s, f->pc, text, sizeof(text)), 0, "not committed yet");
	const struct synth_generation *g = commit(s);
	cr_assert_eq(synth_read(s, f->pc, text, sizeof(text)), sizeof(text));
	for (size_t i = 0; i < sizeof(text); i += 2)
		cr_assert(text[i] == 0xeb && text[i + 1] == 0);
	cr_assert_eq(synth_read(s, g->l_addr + g->mapped, past, sizeof(past)), 0);
	cr_assert_eq(synth_read(s, g->l_addr + g->mapped - 1, past, sizeof(past)), 1);
	cr_assert_eq(synth_read(s, SYNTH_BASE - 1, past, sizeof(past)), 0);
	synth_destroy(s);
}

/* ---- line programs: a reader of what DWARF 4 says in section 6.2, for one file ---- */

struct program {
	const uint8_t *p, *end;
	uint64_t pc;
	int64_t line;
	bool prologue_end;
};

static uint64_t next_uint(struct program *m, size_t n)
{
	uint64_t v = 0;
	cr_assert_geq(m->end - m->p, (ptrdiff_t)n);
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)*m->p++ << (8 * i);
	return v;
}

static int64_t next_leb(struct program *m, bool is_signed)
{
	uint64_t v = 0, b;
	unsigned int shift = 0;
	do {
		b = next_uint(m, 1);
		v |= (b & 0x7f) << shift;
		shift += 7;
	} while (b & 0x80);
	if (is_signed && b & 0x40 && shift < 64)
		v |= ~0ull << shift;
	return (int64_t)v;
}

/* Runs to the next row, at most; false: that was the end of a sequence. */
static bool next_row(struct program *m)
{
	m->prologue_end = false;
	for (;;) {
		uint64_t op = next_uint(m, 1);
		if (op >= 13) {
			m->pc += (op - 13) / 14;
			m->line += (int64_t)((op - 13) % 14) - 5;
			return true;
		}
		switch (op) {
		case 0:
			next_leb(m, false);
			if (next_uint(m, 1) == 1)
				return false;
			m->pc = next_uint(m, 8);
			m->line = 1;
			break;
		case 2:
			m->pc += (uint64_t)next_leb(m, false);
			break;
		case 3:
			m->line += next_leb(m, true);
			break;
		case 10:
			m->prologue_end = true;
			break;
		default:
			cr_assert_fail("opcode %d", (int)op);
		}
	}
}

/* The program whose only file is @path. */
static struct program find_program(struct image *i, const char *path)
{
	Elf_Data *data = NULL;
	find_section(i, ".debug_line", &data);
	struct program m = { .p = data->d_buf };
	const uint8_t *all = m.p + data->d_size;
	while (m.p < all) {
		m.end = all;
		m.end = m.p + 4 + next_uint(&m, 4);
		cr_assert_eq(next_uint(&m, 2), 4);
		const uint8_t *ops = m.p + 4 + next_uint(&m, 4);
		const char *name = (const char *)m.p + 6 + 12 + 1;
		m.p = ops;
		if (strcmp(name, path) == 0)
			return m;
		m.p = m.end;
	}
	cr_assert_fail("no program of %s", path);
	return m;
}

static void check_lines(struct program *m, const struct synth_generation *g,
			const struct synth_function *f)
{
	size_t marks = 0;
	for (size_t i = 0; i < f->code.nrows; i++) {
		cr_assert(next_row(m), "%s, row %zu", f->code.name, i);
		cr_assert_eq(g->l_addr + m->pc, f->pc + f->code.rows[i].start);
		cr_assert_eq(m->line, f->code.rows[i].line);
		if (m->prologue_end)
			cr_assert_eq(++marks, 1u);
		if (m->prologue_end && f->code.nrows > 1 && i == 0)
			cr_assert_neq(m->line, f->code.first_line);
	}
	cr_assert_not(next_row(m));
	cr_assert_eq(marks, 1);
	cr_assert_eq(g->l_addr + m->pc, f->pc + (f->code.len ? f->code.len : 2));
}

Test(synth, line_programs_say_what_the_rows_say)
{
	/* Steps that fit no opcode: far back, far forth, long ones. */
	static const struct synth_row far[] = {
		{ 0, 2, 70000 },      { 2, 4, 3 },	    { 4, 40000, 2000000000 },
		{ 40000, 40002, 9 },  { 40002, 40020, 14 }, { 40020, 40038, 15 },
		{ 40038, 40040, 10 },
	};
	struct synth *s = make_synth();
	struct synth_code code = make_code(0x2000, "far");
	const struct synth_function *f[4];
	f[0] = add_named(s, 0x1000, "run");
	code.rows = far;
	code.nrows = 7;
	code.len = 40040;
	f[1] = add(s, &code);
	code.file = "other.py";
	f[2] = add(s, &(struct synth_code){ .addr = 1, .name = "e", .file = "other.py" });
	f[3] = add_named(s, 0x3000, "again");
	const struct synth_generation *g = commit(s);
	struct image i = open_image(g);

	struct program m = find_program(&i, "/srv/app.py");
	check_lines(&m, g, f[0]);
	check_lines(&m, g, f[1]);
	check_lines(&m, g, f[3]);
	cr_assert_eq(m.p, m.end);
	m = find_program(&i, "other.py");
	check_lines(&m, g, f[2]);
	cr_assert_eq(m.p, m.end);
	elf_end(i.elf);
	synth_destroy(s);
}

/* ---- rows ---- */

static void check_rows(const struct synth_row *given, size_t n, const struct synth_row *want,
		       size_t nwant)
{
	struct synth *s = make_synth();
	struct synth_code code = make_code(0x1000, "f");
	code.rows = given;
	code.nrows = n;
	const struct synth_function *f = add(s, &code);
	cr_assert_eq(f->code.nrows, nwant, "%zu rows", f->code.nrows);
	for (size_t i = 0; i < nwant; i++)
		cr_assert_eq(memcmp(&f->code.rows[i], &want[i], sizeof(*want)), 0,
			     "row %zu: [%u,%u) %d", i, f->code.rows[i].start, f->code.rows[i].end,
			     f->code.rows[i].line);
	synth_destroy(s);
}

#define CHECK_ROWS(given, want)                                     \
	check_rows(given, sizeof(given) / sizeof((given)[0]), want, \
		   sizeof(want) / sizeof((want)[0]))

Test(synth, a_byte_without_a_line_is_of_the_line_before)
{
	static const struct synth_row want[] = {
		{ 0, 2, 10 }, { 2, 12, 11 }, { 12, 20, 13 }, { 20, 24, 11 }, { 24, 30, 200 },
	};
	static const struct synth_row gaps[] = { { 4, 6, 12 }, { 10, 12, 13 } };
	static const struct synth_row filled[] = { { 0, 4, 10 }, { 4, 10, 12 }, { 10, 30, 13 } };
	CHECK_ROWS(rows, want);
	CHECK_ROWS(gaps, filled);
}

Test(synth, rows_that_overlap_or_come_unordered_are_taken_as_they_begin)
{
	static const struct synth_row given[] = {
		{ 20, 40, 5 }, { 0, 12, 1 },  { 4, 8, 2 }, { 10, 14, 3 },
		{ 20, 25, 9 }, { 16, 16, 7 }, { 9, 3, 8 }, { 30, 50, 4 },
	};
	static const struct synth_row want[] = { { 0, 12, 1 }, { 12, 20, 3 }, { 20, 30, 5 } };
	CHECK_ROWS(given, want);
}

Test(synth, no_row_at_all_is_the_line_of_the_def)
{
	static const struct synth_row want[] = { { 0, 30, 10 } };
	check_rows(NULL, 0, want, 1);
}

/* ---- both ways ---- */

Test(synth, a_pc_leads_back_to_where_it_came_from)
{
	struct synth *s = make_synth();
	struct synth_place p;
	const struct synth_function *f[40];

	for (size_t i = 0; i < 40; i++) {
		f[i] = add_named(s, 0x1000 + i, "f");
		if (i % 10 == 9 && i != 39) /* the last ten stay pending */
			commit(s);
	}
	for (size_t i = 0; i < 40; i++)
		for (int32_t lasti = 0; lasti < 30; lasti += 2) {
			cr_assert(synth_find_pc(s, synth_pc(f[i], lasti, false), &p));
			cr_assert_eq(p.kind, SYNTH_FUNCTION);
			cr_assert_eq(p.function, f[i]);
			cr_assert_eq(p.offset, lasti);
			/* A debugger looks up the byte before a return address. */
			cr_assert(synth_find_pc(s, synth_pc(f[i], lasti, true) - 1, &p));
			cr_assert_eq(p.function, f[i]);
			cr_assert_eq(p.offset & ~1u, lasti);
		}
	cr_assert(synth_find_pc(s, f[3]->pc + 13, &p));
	cr_assert_eq(p.line, 13);
	cr_assert_eq(p.start, f[3]->pc + 12);
	cr_assert_eq(p.end, f[3]->pc + 20);
	synth_destroy(s);
}

Test(synth, a_pc_that_is_none_is_not_found)
{
	struct synth *s = make_synth();
	struct synth_place p;
	cr_assert_not(synth_find_pc(s, SYNTH_BASE, &p));
	const struct synth_function *f = add_named(s, 0x1000, "f");
	cr_assert(synth_find_pc(s, f->pc + 30, &p), "a return address behind the last call");
	cr_assert_not(synth_find_pc(s, f->pc + 31, &p));
	cr_assert_not(synth_find_pc(s, 0, &p));
	cr_assert_not(synth_find_pc(s, ~0ull, &p));
	cr_assert_not(synth_find_pc(s, SYNTH_BASE + SYNTH_SPAN, &p));
	cr_assert_eq(synth_pc(f, -1, false), f->pc);
	cr_assert_eq(synth_pc(f, 30000, false), f->pc + 29);
	cr_assert_eq(synth_pc(f, 28, true), f->pc + 30);
	synth_destroy(s);
}

Test(synth, root_and_bridge_and_jit_are_known_by_their_pc)
{
	struct synth *s = make_synth();
	struct synth_place p;
	cr_assert(synth_find_pc(s, synth_root(s) + 4, &p) && p.kind == SYNTH_ROOT);
	cr_assert(synth_find_pc(s, synth_bridge(s) + 8, &p) && p.kind == SYNTH_BRIDGE);
	cr_assert(synth_find_pc(s, synth_jit_register(s), &p) && p.kind == SYNTH_JIT_REGISTER);
	cr_assert_eq(p.end - p.start, 16);
	synth_destroy(s);
}

struct found {
	const struct synth_function *f[8];
	uint64_t pc[8];
	size_t n;
};

static bool take(void *arg, const struct synth_function *f, uint64_t pc)
{
	struct found *found = arg;
	found->f[found->n] = f;
	found->pc[found->n++] = pc;
	return found->n < 8;
}

Test(synth, a_line_is_found_by_the_end_of_its_path)
{
	static const struct {
		const char *file;
		int32_t line;
		size_t n;
	} cases[] = {
		{ "app.py", 13, 1 },	    { "/srv/app.py", 13, 1 }, { "srv/app.py", 13, 1 },
		{ "pp.py", 13, 0 },	    { "/app.py", 13, 0 },     { "app.py", 12, 0 },
		{ "/x/srv/app.py", 13, 0 },
	};
	struct synth *s = make_synth();
	const struct synth_function *f = add_named(s, 0x1000, "f");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct found found = { 0 };
		synth_find_line(s, cases[i].file, cases[i].line, take, &found);
		cr_assert_eq(found.n, cases[i].n, "%s:%d", cases[i].file, cases[i].line);
		if (found.n)
			cr_assert_eq(found.pc[0], f->pc + 12);
	}
	synth_destroy(s);
}

Test(synth, a_function_is_found_by_name_and_qualified_name_past_its_def)
{
	struct synth *s = make_synth();
	struct synth_code code = make_code(0x1000, "run");
	code.qualname = "Thread.run";
	const struct synth_function *f = add(s, &code);
	const char *names[] = { "run", "Thread.run" };
	for (size_t i = 0; i < 2; i++) {
		struct found found = { 0 };
		synth_find_name(s, names[i], take, &found);
		cr_assert_eq(found.n, 1);
		cr_assert_eq(found.f[0], f);
		cr_assert_eq(found.pc[0], f->pc + 2);
	}
	struct found found = { 0 };
	synth_find_name(s, "Thread", take, &found);
	cr_assert_eq(found.n, 0);
	synth_destroy(s);
}

/* ---- names that C has ---- */

static bool is_taken(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "getenv") == 0;
}

/* Whether .debug_str has it as a whole text. */
static bool has_text(struct image *i, const char *text)
{
	Elf_Data *data = NULL;
	find_section(i, ".debug_str", &data);
	const char *p = data->d_buf, *end = p + data->d_size;
	for (; p < end; p += strlen(p) + 1)
		if (strcmp(p, text) == 0)
			return true;
	return false;
}

Test(synth, a_function_of_a_name_that_c_has_is_named_after_its_file)
{
	static const struct {
		const char *file, *qualname, *shown;
	} cases[] = {
		{ "/lib/os.py", "getenv", "os.getenv" },
		{ "/lib/os/__init__.py", "getenv", "os.getenv" },
		{ "__init__.py", "getenv", "__init__.getenv" },
		{ "/__init__.py", "getenv", "__init__.getenv" },
		{ "<string>", "getenv", "<string>.getenv" },
		{ "<frozen os>", "getenv", "os.getenv" },
		{ "<frozen a.b>", "getenv", "a.b.getenv" },
		{ ".py", "getenv", ".py.getenv" },
		{ "a.b/c", "getenv", "c.getenv" },
		{ "/lib/os.py", "Env.getenv", "Env.getenv" },
	};
	for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
		const struct synth_options options = { .base = SYNTH_BASE,
						       .machine = EM_X86_64,
						       .is_taken = is_taken };
		struct synth *s = NULL;
		struct found found = { 0 };
		cr_assert_null(synth_create(&options, &s));
		struct synth_code code = make_code(0x1000, "getenv");
		code.file = cases[n].file;
		code.qualname = cases[n].qualname;
		add(s, &code);
		struct image i = open_image(commit(s));
		cr_assert(has_text(&i, cases[n].shown), "%s", cases[n].file);
		cr_assert_not(has_text(&i, "getenv"), "%s", cases[n].file);
		synth_find_name(s, "getenv", take, &found);
		cr_assert_eq(found.n, 1, "to us it is what it is");
		elf_end(i.elf);
		synth_destroy(s);
	}
}

/* ---- generations ---- */

Test(synth, the_same_code_object_is_the_same_function)
{
	struct synth *s = make_synth();
	const struct synth_function *f = add_named(s, 0x1000, "f");
	cr_assert_eq(add_named(s, 0x1000, "f"), f);
	commit(s);
	cr_assert_eq(add_named(s, 0x1000, "f"), f);
	cr_assert_not(synth_is_pending(s));
	cr_assert_null(commit(s));
	cr_assert_eq(synth_generation_count(s), 1);
	synth_destroy(s);
}

Test(synth, another_code_object_at_the_address_is_another_function)
{
	static const struct synth_variable renamed[] = { { "self", true }, { "y", false } };
	static const struct synth_row moved[] = { { 0, 30, 11 } };
	struct synth *s = make_synth();
	struct synth_code code[7];
	const struct synth_function *f[7];

	for (size_t i = 0; i < 7; i++)
		code[i] = make_code(0x1000, "f");
	code[1].name = "g";
	code[2].file = "/srv/other.py";
	code[3].first_line = 9;
	code[4].rows = moved;
	code[4].nrows = 1;
	code[5].variables = renamed;
	code[6].len = 32;
	for (size_t i = 0; i < 7; i++) {
		f[i] = add(s, &code[i]);
		for (size_t j = 0; j < i; j++) {
			cr_assert_neq(f[i]->pc, f[j]->pc);
			cr_assert(f[j]->stale);
		}
		cr_assert_not(f[i]->stale);
		cr_assert_eq(synth_find(s, 0x1000), f[i]);
	}
	cr_assert_eq(add(s, &code[2]), f[2], "it is there again");
	cr_assert(!f[2]->stale && f[6]->stale);
	cr_assert_eq(synth_find(s, 0x1000), f[2]);
	struct found found = { 0 };
	synth_find_name(s, "f", take, &found);
	cr_assert_eq(found.n, 1, "those that are gone are not found");
	cr_assert_eq(found.f[0], f[2]);
	synth_destroy(s);
}

Test(synth, what_was_committed_never_changes)
{
	struct synth *s = make_synth();
	const struct synth_function *f = add_named(s, 0x1000, "f");
	uint64_t pc = f->pc;
	const struct synth_generation *g = commit(s);
	uint8_t *copy = malloc(g->len);
	memcpy(copy, g->bytes, g->len);
	for (size_t i = 1; i <= 50; i++) {
		add_named(s, 0x1000 * i, "other");
		commit(s);
	}
	cr_assert_eq(synth_generation_count(s), 51);
	cr_assert_eq(synth_generation_at(s, 0), g);
	cr_assert_eq(memcmp(copy, g->bytes, g->len), 0);
	cr_assert_eq(f->pc, pc);
	cr_assert_eq(synth_generation_named(s, "/archerfish/py-51.so"), synth_generation_at(s, 50));
	cr_assert_null(synth_generation_named(s, "py-52.so"));
	for (size_t i = 1; i < 51; i++)
		cr_assert_geq(synth_generation_at(s, i)->l_addr,
			      synth_generation_at(s, i - 1)->l_addr +
				      synth_generation_at(s, i - 1)->mapped);
	free(copy);
	synth_destroy(s);
}

Test(synth, after_a_clear_nothing_has_an_old_name_or_place)
{
	struct synth *s = make_synth();
	char before[32] = "";
	uint64_t last = 0;
	/* More often than there is room for: places come round, names don't. */
	for (size_t i = 0; i < SYNTH_GENERATIONS_MAX + 10; i++) {
		const struct synth_function *f = add_named(s, 0x1000, "f");
		struct synth_place p;
		cr_assert_neq(f->pc, last);
		last = f->pc;
		cr_assert(synth_find_pc(s, last, &p) && p.function == f);
		const struct synth_generation *g = commit(s);
		cr_assert_neq(strcmp(g->name, before), 0);
		strcpy(before, g->name);
		cr_assert_eq(synth_generation_named(s, g->name), g);
		synth_clear(s);
		cr_assert_not(synth_find_pc(s, last, &p));
		cr_assert_null(synth_find(s, 0x1000));
		cr_assert_eq(synth_generation_count(s), 0);
	}
	synth_destroy(s);
}

/* ---- bounds ---- */

Test(synth, names_and_paths_of_any_bytes_are_taken)
{
	static char path[8192], name[4096];
	struct synth *s = make_synth();
	memset(path, '"', sizeof(path) - 1);
	memset(name, 0xc3, sizeof(name) - 1);
	struct synth_code code = make_code(0x1000, "a\nb\x1b[31m");
	code.file = "/srv/\xff\n'\"\\\xc3\xa9.py";
	const struct synth_function *f = add(s, &code);
	cr_assert_str_eq(f->code.name, "a\\x0ab\\x1b[31m");
	cr_assert_str_eq(f->code.file, "/srv/\xff\n'\"\\\xc3\xa9.py");
	code = make_code(0x2000, name);
	code.file = path;
	f = add(s, &code);
	cr_assert_eq(strlen(f->code.file), SYNTH_PATH_MAX);
	cr_assert_leq(strlen(f->code.name), SYNTH_NAME_MAX);
	code = make_code(0x3000, "");
	code.file = "";
	f = add(s, &code);
	cr_assert_str_eq(f->code.name, "<unknown>");
	struct image i = open_image(commit(s));
	struct program m = find_program(&i, "/srv/\xff\n'\"\\\xc3\xa9.py");
	check_lines(&m, i.g, synth_find(s, 0x1000));
	m = find_program(&i, "<unknown>");
	check_lines(&m, i.g, f);
	elf_end(i.elf);
	synth_destroy(s);
}

static enum err_code code_of(struct err *err)
{
	enum err_code code = err ? err->code : 0;
	err_drop(err);
	return code;
}

Test(synth, what_is_too_much_is_refused_and_the_rest_stays)
{
	struct synth *s = make_synth();
	const struct synth_function *f;
	struct synth_code code = make_code(0x1000, "f");

	code.len = SYNTH_CODE_MAX + 2;
	cr_assert_eq(code_of(synth_add(s, &code, &f)), ERR_BAD_DATA);
	code.len = 30;
	enum err_code end = 0;
	size_t n = 0;
	for (; n <= SYNTH_FUNCTIONS_MAX && !end; n++) {
		code.addr = 0x1000 + n * 16;
		end = code_of(synth_add(s, &code, &f));
	}
	cr_assert_eq(end, ERR_STATE);
	cr_assert_eq(n - 1, SYNTH_FUNCTIONS_MAX);
	commit(s);
	cr_assert_eq(synth_find(s, 0x1000)->number, 1);
	synth_clear(s);
	add(s, &code);
	cr_assert_not_null(commit(s));
	synth_destroy(s);
}

Test(synth, a_slot_is_a_number_where_its_text_is_one)
{
	static const struct {
		const char *repr;
		uint64_t kind;
		int64_t number;
	} cases[] = {
		{ "0", SYNTH_NUMBER, 0 },
		{ "-12", SYNTH_NUMBER, -12 },
		{ "9223372036854775806", SYNTH_NUMBER, INT64_MAX - 1 },
		{ "9223372036854775808", SYNTH_TEXT, 0 },
		{ "-9999999999999999999", SYNTH_TEXT, 0 },
		{ "12345678901234567890123", SYNTH_TEXT, 0 },
		{ "True", SYNTH_TRUTH, 1 },
		{ "False", SYNTH_TRUTH, 0 },
		{ "None", SYNTH_NONE, SYNTH_NONE_NUMBER },
		{ "'12'", SYNTH_TEXT, 0 },
		{ "-", SYNTH_TEXT, 0 },
		{ "", SYNTH_TEXT, 0 },
		{ "1.5", SYNTH_TEXT, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct synth_slot slot = { .number = 7, .kind = 7 };
		synth_slot_parse(cases[i].repr, &slot);
		cr_expect(slot.kind == cases[i].kind && slot.number == cases[i].number, "%s",
			  cases[i].repr);
	}
}
