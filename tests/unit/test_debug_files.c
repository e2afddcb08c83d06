/* SPDX-License-Identifier: MIT */
/*
 * Functions' names from separate debug files: where they are looked for, and which of
 * them count.  The image is a small one in memory, its files are not on any disk.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "qxfer/unwind/modules.h"
#include "tests/fake/tiny_elf.h"

#define BASE 0x400000ull

static struct image_bytes {
	struct tiny_elf elf;
	char names[64];
	char link[8]; /* the name and its padding */
	uint32_t crc;
} image, debug;

static const char *present; /* the debug file's path */
static char asked[8][300];  /* paths, in their order */
static size_t nasked;
static struct mem mem;

static size_t read_image(void *ctx, uint64_t addr, void *buf, size_t len)
{
	(void)ctx;
	if (addr < BASE || addr >= BASE + sizeof(image))
		return 0;
	size_t left = (size_t)(BASE + sizeof(image) - addr), n = len < left ? len : left;
	memcpy(buf, (const uint8_t *)&image + (addr - BASE), n);
	return n;
}

static int file_of(const struct image_bytes *bytes)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, bytes, sizeof(*bytes)), (ssize_t)sizeof(*bytes));
	return fd;
}

static int open_map(void *ctx, const struct map *m)
{
	(void)ctx;
	(void)m;
	return file_of(&image);
}

static int open_path(void *ctx, const char *path)
{
	(void)ctx;
	snprintf(asked[nasked++ % 8], sizeof(asked[0]), "%s", path);
	return present && strcmp(path, present) == 0 ? file_of(&debug) : -1;
}

/* As cksum -a crc32b and zlib have it, one bit after the other. */
static uint32_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t crc = UINT32_MAX;
	for (; len; len--, p++) {
		crc ^= *p;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static void setup(void)
{
	static const struct mem_ops ops = { .read = read_image };
	static const char names[] = "\0.gnu_debuglink\0.symtab\0.strtab\0.shstrtab";
	tiny_elf_make(&image.elf, true);
	memcpy(image.names, names, sizeof(names));
	memcpy(image.link, "x.debug", 8);
	image.elf.sh[4].sh_offset = offsetof(struct image_bytes, names);
	image.elf.sh[4].sh_size = sizeof(image.names);
	image.elf.sh[1].sh_flags = 0;
	image.elf.sh[1].sh_offset = offsetof(struct image_bytes, link);
	image.elf.sh[1].sh_size = sizeof(image.link) + sizeof(image.crc);
	image.elf.build_id.nh.n_type = 77; /* none */
	debug = image;
	debug.elf.symtab[1].st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC);
	image.elf.symtab[1].st_shndx = SHN_UNDEF; /* stripped */
	image.crc = checksum(&debug, sizeof(debug));
	memset(&mem, 0, sizeof(mem));
	mem = (struct mem){ .ops = &ops, .generation = 1, .addr_size = 8 };
	present = NULL;
	nasked = 0;
}
TestSuite(debug_files, .init = setup);

/* The name of the function that only the debug file has; NULL: it was not found. */
static const char *name(void)
{
	static char ret[64], path[] = "/opt/bin/x";
	struct map map = { BASE, BASE + sizeof(image), 0, 1, 2, MAP_R | MAP_X, path };
	struct maps maps = { &map, 1 };
	struct space s = {
		.mem = &mem, .maps = &maps, .epoch = 1, .open_map = open_map, .open_path = open_path
	};
	struct modules ms = { 0 };
	struct module *m;
	const char *found;
	uint64_t offset;
	bool changed;
	modules_refresh(&ms, &s, &changed);
	cr_assert_null(modules_find(&ms, &s, BASE + TINY_HIDDEN, &m));
	cr_assert(m);
	cr_assert_null(modules_symbol(&ms, m, &s, BASE + TINY_HIDDEN, &found, &offset));
	snprintf(ret, sizeof(ret), "%s", found ? found : "");
	modules_deinit(&ms);
	return found ? ret : NULL;
}

Test(debug_files, are_looked_for_beside_the_file_in_its_folder_debug_and_in_the_global_one)
{
	cr_expect_null(name());
	cr_assert_eq(nasked, 3);
	cr_expect_str_eq(asked[0], "/opt/bin/x.debug");
	cr_expect_str_eq(asked[1], "/opt/bin/.debug/x.debug");
	cr_expect_str_eq(asked[2], "/usr/lib/debug/opt/bin/x.debug");
}

Test(debug_files, count_wherever_they_are_if_their_checksum_is_right)
{
	static const char *const places[] = { "/opt/bin/x.debug", "/opt/bin/.debug/x.debug",
					      "/usr/lib/debug/opt/bin/x.debug" };
	for (size_t i = 0; i < 3; i++) {
		present = places[i];
		cr_assert(name());
		cr_expect_str_eq(name(), "hidden");
	}
}

Test(debug_files, do_not_count_if_their_checksum_is_another)
{
	present = "/opt/bin/x.debug";
	image.crc++;
	cr_expect_null(name());
}

Test(debug_files, of_the_right_build_id_need_no_checksum)
{
	image.elf.build_id.nh.n_type = debug.elf.build_id.nh.n_type = NT_GNU_BUILD_ID;
	debug.elf.sh[1].sh_type = SHT_NOTE;
	debug.elf.sh[1].sh_offset = offsetof(struct tiny_elf, build_id);
	debug.elf.sh[1].sh_size = sizeof(debug.elf.build_id);
	present = "/usr/lib/debug/.build-id/30/313233343536373839"
		  "6162636465666768696a.debug";
	cr_assert(name());
	present = "/opt/bin/x.debug";
	image.crc = 0;
	cr_assert(name());
}

Test(debug_files, of_another_build_id_do_not_count_whatever_their_checksum)
{
	image.elf.build_id.nh.n_type = debug.elf.build_id.nh.n_type = NT_GNU_BUILD_ID;
	debug.elf.build_id.desc[3]++;
	debug.elf.sh[1].sh_type = SHT_NOTE;
	debug.elf.sh[1].sh_offset = offsetof(struct tiny_elf, build_id);
	debug.elf.sh[1].sh_size = sizeof(debug.elf.build_id);
	image.crc = checksum(&debug, sizeof(debug));
	present = "/opt/bin/x.debug";
	cr_expect_null(name());
}

Test(debug_files, whose_name_is_a_path_are_not_looked_for)
{
	memcpy(image.link, "../a/b", 7);
	cr_expect_null(name());
	cr_expect_eq(nasked, 0);
}
