/* SPDX-License-Identifier: MIT */
/* What is found in a process that exists in this file alone, and what becomes of it. */
#include <criterion/criterion.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qxfer/jit/area.h"
#include "qxfer/jit/image.h"
#include "qxfer/jit/object.h"
#include "qxfer/jit_regions.h"
#include "stub/unwind_store.h"

#define CODE_AT 0x7f0000000000ull
#define HUGE	(512ull << 20)

struct process {
	uint8_t page[2][MEM_PAGE]; /* the first, and one 256 MB further on */
	size_t read;		   /* bytes that were asked for */
	struct mem mem;
	struct maps maps;
	struct space space;
};

static size_t read_process(void *ctx, uint64_t addr, void *buf, size_t len)
{
	struct process *p = ctx;
	uint64_t off = addr - CODE_AT, which = off >= HUGE / 2;
	off -= which * HUGE / 2;
	p->read += len;
	if (addr < CODE_AT || addr >= CODE_AT + HUGE)
		return 0;
	if (off >= MEM_PAGE) {
		memset(buf, 0, len);
		return len;
	}
	size_t n = len < MEM_PAGE - off ? len : (size_t)(MEM_PAGE - off);
	memcpy(buf, p->page[which] + off, n);
	return n;
}

static const struct mem_ops ops = { .read = read_process };

static void present(void *ctx, uint64_t addr, size_t n, uint8_t *ret)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		uint64_t at = addr + i * MEM_PAGE;
		ret[i] = at == CODE_AT || at == CODE_AT + HUGE / 2;
	}
}

static void open_process(struct process *p)
{
	static const char maps[] = "7f0000000000-7f0020000000 rwxp 00000000 00:00 0 \n";
	*p = (struct process){ .read = 0 };
	struct err *err = mem_init(&p->mem, &ops, p, 8);
	cr_assert_null(err);
	err = maps_parse(maps, sizeof(maps) - 1, &p->maps);
	cr_assert_null(err);
	p->space = (struct space){
		.mem = &p->mem, .maps = &p->maps, .epoch = 1, .present = present, .ctx = p
	};
}

static void close_process(struct process *p)
{
	maps_deinit(&p->maps);
	mem_deinit(&p->mem);
}

static const uint8_t trampoline[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48,
				      0x89, 0xe5, 0xff, 0xd1, 0x5d, 0xc3 };

Test(jit_regions, a_huge_area_is_read_where_pages_exist)
{
	static struct process p;
	struct jit *j;
	struct jit_place place;
	open_process(&p);
	memcpy(p.page[1] + 64, trampoline, sizeof(trampoline));
	struct err *err = jit_create(&j);
	cr_assert_null(err);
	cr_assert(jit_find(j, &p.space, CODE_AT + HUGE / 2 + 64 + 10, &place));
	cr_assert_eq(place.kind, JIT_PERF_TRAMPOLINE);
	cr_assert_eq(place.start, CODE_AT + HUGE / 2 + 64);
	cr_assert_eq(place.rule.cfa_reg, JIT_RBP);
	cr_assert_lt(p.read, 16 * MEM_PAGE);
	jit_destroy(j);
	close_process(&p);
}

Test(jit_regions, what_changed_is_analysed_again_and_what_did_not_is_not)
{
	static struct process p;
	struct jit *j;
	const struct jit_region *r;
	size_t n;
	open_process(&p);
	memcpy(p.page[0], trampoline, sizeof(trampoline));
	struct err *err = jit_create(&j);
	if (!err)
		err = jit_survey(j, &p.space, &r, &n);
	cr_assert_null(err);
	cr_assert_eq(n, 1);
	uint64_t version = r->version;
	cr_assert_eq(r->table->nfuncs, 1);
	mem_invalidate(&p.mem);
	err = jit_survey(j, &p.space, &r, &n);
	cr_assert_null(err);
	cr_assert_eq(r->version, version);
	memcpy(p.page[0] + 32, trampoline, sizeof(trampoline));
	mem_invalidate(&p.mem);
	err = jit_survey(j, &p.space, &r, &n);
	cr_assert_null(err);
	cr_assert_neq(r->version, version);
	cr_assert_eq(r->table->nfuncs, 2);
	jit_destroy(j);
	close_process(&p);
}

static void check_same_rows(const struct jit_table *a, const struct jit_table *b)
{
	cr_assert_eq(a->nrows, b->nrows);
	cr_assert_eq(a->nfuncs, b->nfuncs);
	for (size_t i = 0; i < a->nrows; i++) {
		const struct jit_rule *x = jit_table_find(a, a->row[i].start);
		const struct jit_rule *y = jit_table_find(b, a->row[i].start);
		cr_assert_eq(a->row[i].start, b->row[i].start);
		cr_assert(x && y ? memcmp(x, y, sizeof(*x)) == 0 : x == y, "row %zu", i);
	}
}

Test(jit_regions, a_change_leaves_the_rows_that_a_first_look_would_make)
{
	/* The same, and more behind it. */
	static const uint8_t other[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5, 0xff,
					 0xd1, 0x5d, 0xc3, 0x48, 0x83, 0xec, 0x08, 0xc3 };
	static struct process p;
	struct jit *j, *fresh;
	const struct jit_region *r, *first;
	size_t n;
	open_process(&p);
	memcpy(p.page[0], trampoline, sizeof(trampoline));
	memcpy(p.page[0] + 32, trampoline, sizeof(trampoline));
	memcpy(p.page[1] + 64, trampoline, sizeof(trampoline));
	struct err *err = jit_create(&j);
	for (unsigned int i = 0; i < 4 && !err; i++) {
		if (i & 1)
			memcpy(p.page[0] + 32, other, sizeof(other));
		else if (i)
			memset(p.page[0] + 32, 0, MEM_PAGE - 32);
		mem_invalidate(&p.mem);
		err = jit_create(&fresh);
		if (!err)
			err = jit_survey(j, &p.space, &r, &n);
		if (!err)
			err = jit_survey(fresh, &p.space, &first, &n);
		cr_assert_null(err);
		check_same_rows(r->table, first->table);
		cr_assert_eq(r->table->nfuncs, i == 2 ? 2 : 3);
		jit_destroy(fresh);
	}
	jit_destroy(j);
	close_process(&p);
}

static bool any(const struct jit_region *r)
{
	(void)r;
	return true;
}

Test(jit_regions, the_image_names_the_functions_and_has_their_sections_where_they_are)
{
	static struct process p;
	struct jit *j;
	const struct jit_region *r;
	struct jit_image image = { .l_ld = 0 };
	size_t n;
	open_process(&p);
	memcpy(p.page[0] + 32, trampoline, sizeof(trampoline));
	struct err *err = jit_create(&j);
	if (!err)
		err = jit_survey(j, &p.space, &r, &n);
	if (!err)
		err = jit_image_write(r, n, any, 0x7e5000001000ull, "code-1.so", &image);
	cr_assert_null(err);
	const Elf64_Ehdr *eh = (const void *)image.bytes.data;
	const Elf64_Shdr *sh = (const void *)(image.bytes.data + eh->e_shoff);
	cr_assert_eq(memcmp(eh->e_ident, ELFMAG, SELFMAG), 0);
	const Elf64_Shdr *text = &sh[eh->e_shnum - 1];
	cr_assert_eq(text->sh_addr + JIT_IMAGE_L_ADDR, CODE_AT);
	cr_assert_eq(text->sh_size, HUGE);
	cr_assert_not_null(memmem(image.bytes.data, image.bytes.len, "py.trampoline.7f0000000020",
				  sizeof("py.trampoline.7f0000000020")));
	buf_deinit(&image.bytes);
	jit_destroy(j);
	close_process(&p);
}

Test(jit_regions, the_document_and_the_text_tell_of_the_same)
{
	static struct process p;
	struct jit *j;
	_cleanup_buf_ struct buf document = { 0 }, text = { 0 };
	open_process(&p);
	struct err *err = jit_create(&j);
	if (!err)
		err = jit_regions_document(j, &p.space, &document);
	if (!err)
		err = jit_regions_text(j, &p.space, &text);
	cr_assert_null(err);
	buf_put(&document, "", 1);
	buf_put(&text, "", 1);
	cr_assert_not_null(
		strstr((char *)document.data,
		       "start=\"0x7f0000000000\" end=\"0x7f0020000000\" kind=\"unknown\""));
	cr_assert_not_null(strstr((char *)text.data, "0x7f0000000000-0x7f0020000000  unknown"));
	jit_destroy(j);
	close_process(&p);
}

/* ---- kept ---- */

static void fill(struct object *o)
{
	const struct jit_rule entry = jit_rule_entry(JIT_BY_FLOW),
			      frame = jit_rule_frame(JIT_BY_FLOW);
	o->lo = 0x1000;
	o->hi = 0x9000;
	o->part = calloc(1, sizeof(*o->part));
	cr_assert_not_null(o->part);
	o->part[0] = (struct object_part){ 0x100, 0x200, JIT_GAP };
	o->nparts = 1;
	jit_table_add(&o->table, 0x100, &entry);
	jit_table_add(&o->table, 0x104, &frame);
	jit_table_add(&o->table, 0x200, NULL);
	jit_table_add_func(&o->table, 0x100, 0x100, "f");
}

static void empty(struct object *o)
{
	free(o->part);
	jit_table_deinit(&o->table);
}

Test(jit_saved, a_table_comes_back_as_it_was_and_a_changed_file_not_at_all)
{
	struct object o = { .lo = 0 }, back = { .lo = 0x1000, .hi = 0x9000 };
	_cleanup_buf_ struct buf kept = { 0 };
	fill(&o);
	object_save(&o, &kept);
	cr_assert(object_restore(&back, kept.data, kept.len));
	cr_assert_eq(jit_table_find(&back.table, 0x180)->cfa_reg, JIT_RBP);
	cr_assert_null(jit_table_find(&back.table, 0x200));
	cr_assert_str_eq(jit_table_name(&back.table, jit_table_func(&back.table, 0x150)), "f");
	for (size_t i = 0; i < kept.len; i++) {
		struct object bad = { .lo = 0x1000, .hi = 0x9000 };
		kept.data[i] ^= 0x10;
		cr_assert_not(object_restore(&bad, kept.data, kept.len), "byte %zu", i);
		cr_assert_not(object_restore(&bad, kept.data, i), "%zu bytes", i);
		kept.data[i] ^= 0x10;
	}
	empty(&o);
	empty(&back);
}

Test(unwind_store, a_file_that_others_can_write_to_does_not_count)
{
	char dir[] = "/tmp/store-XXXXXX", path[64];
	_cleanup_buf_ struct buf back = { 0 };
	cr_assert_not_null(mkdtemp(dir));
	unwind_store_save(dir, "a-key", "text", 4);
	cr_assert(unwind_store_load(dir, "a-key", &back));
	cr_assert_eq(back.len, 4);
	cr_assert_not(unwind_store_load(dir, "../a-key", &back));
	snprintf(path, sizeof(path), "%s/a-key", dir);
	cr_assert_eq(chmod(path, 0666), 0);
	cr_assert_not(unwind_store_load(dir, "a-key", &back));
	cr_assert_eq(chmod(path, 0600), 0);
	cr_assert_eq(chmod(dir, 0777), 0);
	cr_assert_not(unwind_store_load(dir, "a-key", &back));
	unlink(path);
	rmdir(dir);
}
