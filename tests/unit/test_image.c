/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stub/base/image.h"
#include "tests/fake/fake_target.h"
#include "tests/fake/tiny_elf.h"

#define BASE 0x7f0000000000ull

static struct fake fake;
static struct tiny_elf elf;
static struct image img = { .fd = -1 };
static struct image_symbol sym;

static void teardown(void)
{
	image_deinit(&img);
	fake_deinit(&fake);
}
TestSuite(image, .fini = teardown);

static struct err *map_elf(size_t len)
{
	const struct fake_region region = { BASE, &elf, len };
	fake_init(&fake, &region, 1, NULL);
	return image_open(&fake.target.mem, BASE, &img);
}

static int file_of(const struct tiny_elf *e, size_t len)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);
	cr_assert_eq(write(fd, e, len), (ssize_t)len);
	return fd;
}

static bool gone(int fd)
{
	return lseek(fd, 0, SEEK_CUR) < 0;
}

static void find_dynamic(bool gnu, bool relocated)
{
	tiny_elf_make(&elf, gnu);
	if (relocated)
		tiny_elf_relocate(&elf, BASE);
	cr_assert_null(map_elf(sizeof(elf)));
	cr_expect(image_find_dynamic(&img, "_PyRuntime", &sym));
	cr_expect_eq(sym.addr, BASE + TINY_RUNTIME);
	cr_expect_eq(sym.size, 64);
	cr_expect(image_find_dynamic(&img, "Py_Version", &sym));
	cr_expect_eq(sym.addr, BASE + TINY_VERSION);
	cr_expect_not(image_find_dynamic(&img, "Py_Versio", &sym));
	cr_expect_not(image_find_dynamic(&img, "", &sym));
	cr_expect_not(image_find_dynamic(&img, "hidden", &sym));
}

Test(image, dynamic_symbols_are_found_by_the_gnu_hash)
{
	find_dynamic(true, false);
}

Test(image, dynamic_symbols_are_found_by_the_system_v_hash)
{
	find_dynamic(false, false);
}

Test(image, a_loader_may_have_relocated_the_dynamic_section)
{
	find_dynamic(true, true);
}

Test(image, an_undefined_symbol_is_not_found)
{
	tiny_elf_make(&elf, true);
	elf.dynsym[1].st_shndx = SHN_UNDEF;
	cr_assert_null(map_elf(sizeof(elf)));
	cr_expect_not(image_find_dynamic(&img, "_PyRuntime", &sym));
}

Test(image, the_build_id_is_in_the_second_note_segment)
{
	uint8_t id[64];
	tiny_elf_make(&elf, true);
	cr_assert_null(map_elf(sizeof(elf)));
	cr_assert_eq(image_build_id(&img, id, sizeof(id)), 20);
	cr_expect_arr_eq(id, TINY_BUILD_ID, 20);
	cr_expect_eq(image_build_id(&img, id, 8), 8);
}

Test(image, sections_and_other_symbols_need_the_file)
{
	tiny_elf_make(&elf, true);
	cr_assert_null(map_elf(sizeof(elf)));
	cr_expect_not(image_find_section(&img, ".PyRuntime", &sym));
	cr_expect_not(image_find_static(&img, "hidden", &sym));
	cr_assert_null(image_add_file(&img, file_of(&elf, sizeof(elf))));
	cr_expect(image_find_section(&img, ".PyRuntime", &sym));
	cr_expect_eq(sym.addr, BASE + TINY_RUNTIME);
	cr_expect(image_find_static(&img, "hidden", &sym));
	cr_expect_eq(sym.addr, BASE + TINY_HIDDEN);
	cr_expect_not(image_find_section(&img, ".symtab", &sym)); /* not in memory */
}

Test(image, another_program_s_file_is_refused_and_closed)
{
	struct tiny_elf other;
	tiny_elf_make(&elf, true);
	cr_assert_null(map_elf(sizeof(elf)));
	other = elf;
	other.eh.e_entry = 0x123;
	int fd = file_of(&other, sizeof(other));
	struct err *err = image_add_file(&img, fd);
	cr_assert(err_catch(&err, ERR_BAD_DATA));
	cr_expect(gone(fd));
	fd = file_of(&other, 3);
	err = image_add_file(&img, fd);
	cr_assert(err_catch(&err, ERR_BAD_DATA));
	cr_expect(gone(fd));
}

Test(image, a_file_that_is_cut_short_has_no_sections)
{
	tiny_elf_make(&elf, true);
	cr_assert_null(map_elf(sizeof(elf)));
	struct err *err = image_add_file(&img, file_of(&elf, offsetof(struct tiny_elf, symtab)));
	err_drop(err); /* libelf may take it or not */
	cr_expect_not(image_find_section(&img, ".PyRuntime", &sym));
	cr_expect_not(image_find_static(&img, "hidden", &sym));
}

Test(image, what_is_no_elf_is_refused)
{
	tiny_elf_make(&elf, true);
	elf.eh.e_ident[EI_CLASS] = ELFCLASS32;
	struct err *err = map_elf(sizeof(elf));
	cr_assert(err_catch(&err, ERR_BAD_DATA));
}

Test(image, endless_chains_end)
{
	tiny_elf_make(&elf, false);
	elf.sysv_hash.chain[1] = 2; /* 2 -> 1 -> 2 ... */
	cr_assert_null(map_elf(sizeof(elf)));
	cr_expect_not(image_find_dynamic(&img, "absent", &sym));
	fake_deinit(&fake);
	tiny_elf_make(&elf, true);
	elf.gnu_hash.chain[1] &= ~1u;
	cr_assert_null(map_elf(sizeof(elf)));
	cr_expect_not(image_find_dynamic(&img, "absent", &sym));
}
