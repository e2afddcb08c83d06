/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "stub/base/names.h"
#include "tests/fake/tiny_elf.h"

#define BASE 0x10000u

static size_t read_elf(void *ctx, uint64_t addr, void *buf, size_t len)
{
	if (addr < BASE || addr - BASE >= sizeof(struct tiny_elf))
		return 0;
	size_t room = sizeof(struct tiny_elf) - (size_t)(addr - BASE);
	size_t n = room < len ? room : len;
	memcpy(buf, (const uint8_t *)ctx + (addr - BASE), n);
	return n;
}

Test(names, of_functions_in_mapped_images_are_known_and_no_others)
{
	static const struct mem_ops ops = { .read = read_elf };
	static char path[] = "/lib/tiny.so";
	struct map maps[] = {
		{ 0x8000, 0x9000, 0, 1, 1, MAP_R, path }, /* cannot be read */
		{ BASE, BASE + 0x1000, 0, 1, 2, MAP_R, path },
		{ BASE + 0x1000, BASE + 0x2000, 0x1000, 1, 2, MAP_R, path },
		{ 0x20000, 0x21000, 0, 0, 0, MAP_R, path },
	};
	const struct maps list = { maps, 4 };
	struct tiny_elf elf;
	struct mem mem;
	struct names n = { 0 };

	cr_assert_not(names_has(&n, "_PyRuntime"), "nothing is in an empty set");
	tiny_elf_make(&elf, true);
	elf.dynsym[1].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
	elf.dynsym[2].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT);
	cr_assert_null(mem_init(&mem, &ops, &elf, 8));
	const struct space space = { .mem = &mem, .maps = &list };
	cr_assert_null(names_add(&n, &space));
	cr_assert(names_has(&n, "_PyRuntime"));
	cr_assert_not(names_has(&n, "Py_Version"), "no function");
	cr_assert_not(names_has(&n, "_PyRuntim"));
	cr_assert_not(names_has(&n, ""));
	names_deinit(&n);
	mem_deinit(&mem);
}
