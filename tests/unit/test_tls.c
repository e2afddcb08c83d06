/* SPDX-License-Identifier: MIT */
/* Thread-local storage in memory that a test made: layouts, what is missing, what lies. */
#include <criterion/criterion.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "stub/tls.h"
#include "tests/fake/fake_target.h"

#define IMAGE	 0x10000ull /* the module's first bytes, and its dynamic section */
#define DYNAMIC	 (IMAGE + 0x800)
#define LINK_MAP 0x20000ull
#define TCB	 0x30000ull
#define DTV	 (TCB + 0x100)
#define BLOCK	 0x31800ull

struct world {
	struct fake fake;
	uint8_t image[0x1000], link_map[0x1000], tcb[0x1000];
	char path[64], none[1];
	struct map map[2];
	struct maps maps;
	struct space space;
};

static void put(uint8_t *at, size_t offset, uint64_t value)
{
	memcpy(at + offset, &value, sizeof(value));
}

static void fill_image(struct world *w, uint64_t align)
{
	Elf64_Ehdr ehdr = { .e_ident = ELFMAG,
			    .e_phoff = sizeof(ehdr),
			    .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = 2 };
	Elf64_Phdr phdr[2] = { { .p_type = PT_DYNAMIC, .p_vaddr = 0x800 },
			       { .p_type = PT_TLS,
				 .p_vaddr = 0x908,
				 .p_filesz = 4,
				 .p_memsz = 12,
				 .p_align = align } };
	memcpy(w->image, &ehdr, sizeof(ehdr));
	memcpy(w->image + sizeof(ehdr), phdr, sizeof(phdr));
}

/* The part of the link_map that counts; musl's has one word less. */
static void fill_link_map(struct world *w, uint64_t block_offset, uint64_t modid, bool musl)
{
	const uint64_t words[] = { IMAGE + 0x908, 4, 12, 16, 8, block_offset, modid };

	memset(w->link_map, 0, sizeof(w->link_map));
	put(w->link_map, 0, IMAGE);
	put(w->link_map, 16, DYNAMIC);
	memcpy(w->link_map + 0x458, words, 32);
	memcpy(w->link_map + 0x478, words + 4 + musl, sizeof(words) - 32 - 8 * musl);
}

static void fill_tcb(struct world *w)
{
	put(w->tcb, 0, TCB);
	put(w->tcb, 8, DTV);
	put(w->tcb, 0x100 - 16, 9);	    /* glibc: modules there is room for */
	put(w->tcb, 0x100, 5);		    /* glibc: generation; musl: modules */
	put(w->tcb, 0x100 + 3 * 16, BLOCK); /* glibc: module 3 */
	put(w->tcb, 0x100 + 4 * 16, UINT64_MAX);
	put(w->tcb, 0x100 + 2 * 8, BLOCK); /* musl: module 2 */
}

/* To be called when all is filled in. */
static void start(struct world *w, const char *path)
{
	const struct fake_region regions[] = {
		{ IMAGE, w->image, sizeof(w->image) },
		{ LINK_MAP, w->link_map, sizeof(w->link_map) },
		{ TCB, w->tcb, sizeof(w->tcb) },
	};
	fake_init(&w->fake, regions, 3, NULL);
	snprintf(w->path, sizeof(w->path), "%s", path);
	w->map[0] = (struct map){ .start = IMAGE, .end = IMAGE + 0x1000, .path = w->path };
	w->map[1] = (struct map){ .start = TCB, .end = TCB + 0x1000, .path = w->none };
	w->maps = (struct maps){ w->map, 2 };
	w->space = (struct space){ .mem = &w->fake.target.mem, .maps = &w->maps };
}

static uint64_t find(struct world *w, uint64_t lm, enum err_code *code)
{
	uint64_t addr = 0;
	struct err *err = tls_address(&w->space, TCB, lm, 0x10, &addr);

	*code = err ? err->code : 0;
	err_drop(err);
	fake_deinit(&w->fake);
	return addr;
}

static struct world world;
static enum err_code code;

static void setup(void)
{
	world = (struct world){ 0 };
	fill_image(&world, 16);
	fill_tcb(&world);
}
TestSuite(tls, .init = setup);

Test(tls, lies_below_the_thread_pointer_where_the_module_was_there_at_the_start)
{
	fill_link_map(&world, 0x40, 3, false);
	start(&world, "/lib/libx.so");
	cr_assert_eq(find(&world, LINK_MAP, &code), TCB - 0x40 + 0x10);
}

Test(tls, lies_where_the_vector_says_otherwise)
{
	fill_link_map(&world, UINT64_MAX, 3, false);
	start(&world, "/lib/libx.so");
	cr_assert_eq(find(&world, LINK_MAP, &code), BLOCK + 0x10);
	fill_link_map(&world, 0, 3, false);
	start(&world, "/lib/libx.so");
	cr_assert_eq(find(&world, LINK_MAP, &code), BLOCK + 0x10);
}

Test(tls, is_not_there_before_the_thread_used_it)
{
	fill_link_map(&world, 0, 4, false);
	start(&world, "/lib/libx.so");
	(void)find(&world, LINK_MAP, &code);
	cr_assert_eq(code, ERR_NOT_FOUND);
	fill_link_map(&world, 0, 10, false);
	start(&world, "/lib/libx.so");
	(void)find(&world, LINK_MAP, &code);
	cr_assert_eq(code, ERR_NOT_FOUND, "beyond the end of the vector");
}

Test(tls, of_musl_has_pointers_in_the_vector)
{
	fill_link_map(&world, 0x40, 2, true);
	start(&world, "/lib/ld-musl-x86_64.so.1");
	cr_assert_eq(find(&world, LINK_MAP, &code), BLOCK + 0x10);
	fill_link_map(&world, 0x40, 6, true);
	start(&world, "/lib/ld-musl-x86_64.so.1");
	(void)find(&world, LINK_MAP, &code);
	cr_assert_eq(code, ERR_NOT_FOUND);
}

Test(tls, of_a_program_without_link_map_is_module_1)
{
	put(world.tcb, 0x100 + 16, BLOCK + 0x100);
	start(&world, "/bin/static");
	cr_assert_eq(find(&world, 0, &code), BLOCK + 0x110);
}

Test(tls, is_refused_where_nothing_fits)
{
	static const uint64_t wrong[] = { 0, IMAGE, TCB, TCB + 8, 1, UINT64_MAX - 8 };

	for (size_t i = 1; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		fill_link_map(&world, 0x40, 3, false);
		start(&world, "/lib/libx.so");
		(void)find(&world, wrong[i], &code);
		cr_assert_neq(code, 0, "link_map %llx", (unsigned long long)wrong[i]);
	}
	fill_image(&world, 32); /* the link_map says 16 */
	fill_link_map(&world, 0x40, 3, false);
	start(&world, "/lib/libx.so");
	(void)find(&world, LINK_MAP, &code);
	cr_assert_neq(code, 0);
	put(world.tcb, 0, TCB + 8);
	start(&world, "/lib/libx.so");
	(void)find(&world, LINK_MAP, &code);
	cr_assert_eq(code, ERR_BAD_DATA, "no thread control block");
}
