/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arch/x86_xsave.h"
#include "stub/target/core.h"
#include "tests/fake/tiny_core.h"

/* The file that was mapped: as in the core, and two pages that are not in it. */
struct mapped {
	struct tiny_elf elf;
	uint8_t rest[0x2800 - sizeof(struct tiny_elf)];
};

struct bench {
	struct tiny_core core;
	struct mapped file;
	char path[64];
	int fd, core_fd;
	struct target *target;
};

static void begin(struct bench *b)
{
	*b = (struct bench){ .core_fd = -1 };
	tiny_elf_make(&b->file.elf, true);
	memset(b->file.rest, 'f', sizeof(b->file.rest));
	b->fd = tiny_core_file(&b->file, sizeof(b->file));
	cr_assert_geq(b->fd, 0);
	snprintf(b->path, sizeof(b->path), "/proc/%d/fd/%d", getpid(), b->fd);
	tiny_core_make(&b->core, b->path);
}

static struct err *open_bytes(struct bench *b, size_t len)
{
	char path[64];
	b->core_fd = tiny_core_file(&b->core, len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", b->core_fd);
	const struct core_options o = { .core = path, .quiet = true };
	struct err *err = core_open(&o, &b->target);
	close(b->core_fd);
	return err;
}

static void open_good(struct bench *b)
{
	struct err *err = open_bytes(b, sizeof(b->core));
	cr_assert_null(err, "%s", err->msg);
}

static void end(struct bench *b)
{
	if (b->target)
		b->target->ops->destroy(b->target);
	close(b->fd);
}

/* It is refused, with these words. */
static void refused(struct bench *b, const char *words)
{
	struct err *err = open_bytes(b, sizeof(b->core));
	cr_assert(err);
	cr_assert(strstr(err->msg, words), "%s", err->msg);
	err_drop(err);
	end(b);
}

static uint8_t byte_at(struct bench *b, uint64_t addr)
{
	uint8_t byte;
	struct err *err = mem_read(&b->target->mem, addr, &byte, 1);
	cr_assert_null(err, "%s", err->msg);
	return byte;
}

static void unreadable(struct bench *b, uint64_t addr, const char *why)
{
	uint8_t byte;
	struct err *err = mem_read(&b->target->mem, addr, &byte, 1);
	cr_assert(err, "%llx is read", (unsigned long long)addr);
	cr_assert(strstr(err->msg, why), "%s", err->msg);
	err_drop(err);
}

Test(core, its_threads_have_their_registers_and_the_first_is_the_one_that_crashed)
{
	struct bench b;
	uint64_t pc;
	begin(&b);
	open_good(&b);
	struct target *t = b.target;
	cr_assert_eq(target_first_thread(t), TINY_FIRST);
	cr_assert(target_has_thread(t, TINY_SECOND));
	cr_assert_not(target_has_thread(t, 102));
	cr_assert_eq(t->found.tid, TINY_FIRST);
	cr_assert_eq(t->found.signo, 11);
	cr_assert_null(target_reg_uint(t, TINY_SECOND, t->arch->pc, &pc));
	cr_assert_eq(pc, (uint64_t)TINY_SECOND << 32 | 16);
	cr_assert_null(target_reg_uint(t, TINY_FIRST, t->arch->tp, &pc));
	cr_assert_eq(pc, (uint64_t)TINY_FIRST << 32 | 21);
	end(&b);
}

Test(core, only_the_thread_that_got_the_signal_has_a_siginfo)
{
	struct bench b;
	uint8_t info[128];
	size_t size = sizeof(info);
	begin(&b);
	open_good(&b);
	cr_assert_null(b.target->ops->siginfo_read(b.target, TINY_FIRST, info, &size));
	cr_assert_eq(size, 128);
	cr_assert_eq(info[0], 11);
	struct err *err = b.target->ops->siginfo_read(b.target, TINY_SECOND, info, &size);
	cr_assert_eq(err->code, ERR_NOT_FOUND);
	err_drop(err);
	end(&b);
}

Test(core, memory_is_what_the_core_has_and_then_the_file_that_was_mapped)
{
	struct bench b;
	begin(&b);
	open_good(&b);
	cr_assert_eq(byte_at(&b, TINY_HEAP_AT + 4), 5);
	cr_assert_eq(byte_at(&b, TINY_FILE_AT), 0x7f);
	cr_assert_eq(byte_at(&b, TINY_FILE_AT + 0x1000), 'f');
	cr_assert_eq(byte_at(&b, TINY_FILE_AT + 0x27ff), 'f');
	unreadable(&b, TINY_FILE_AT + 0x2800, "shorter than what was mapped");
	unreadable(&b, TINY_LEFT_AT, "it is not in the core");
	unreadable(&b, 0x40000, "nothing was mapped there");
	end(&b);
}

Test(core, a_file_that_is_another_by_now_is_not_read)
{
	struct bench b;
	begin(&b);
	b.core.file_page[offsetof(struct tiny_elf, build_id.desc)] ^= 1;
	open_good(&b);
	unreadable(&b, TINY_FILE_AT + 0x1000, "has another build-id");
	end(&b);
}

Test(core, of_a_program_that_is_another_by_now_a_client_gets_what_the_core_has)
{
	struct bench b;
	struct tiny_elf elf;
	begin(&b);
	b.core.file_page[offsetof(struct tiny_elf, build_id.desc)] ^= 1;
	open_good(&b);
	int fd = b.target->ops->open_file(b.target, b.path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(pread(fd, &elf, sizeof(elf), 0), sizeof(elf));
	close(fd);
	cr_assert_eq(memcmp(&elf.build_id, b.core.file_page + offsetof(struct tiny_elf, build_id),
			    sizeof(elf.build_id)),
		     0);
	cr_assert_eq(elf.eh.e_shnum, 0);
	cr_assert_eq(elf.eh.e_shoff, 0);
	end(&b);
}

Test(core, of_a_library_that_is_another_by_now_a_client_gets_nothing)
{
	struct bench b;
	begin(&b);
	b.core.file_page[offsetof(struct tiny_elf, build_id.desc)] ^= 1;
	b.core.notes.auxv.pair[1] = TINY_HEAP_AT; /* the program is elsewhere */
	open_good(&b);
	errno = 0;
	cr_assert_lt(b.target->ops->open_file(b.target, b.path), 0);
	cr_assert_eq(errno, ENOENT);
	end(&b);
}

Test(core, a_file_is_not_read_without_its_build_id_in_the_core)
{
	struct bench b;
	begin(&b);
	b.core.ph[1].p_filesz = 0;
	open_good(&b);
	unreadable(&b, TINY_FILE_AT + 0x1000, "its build-id is not in the core");
	end(&b);
}

Test(core, a_file_that_is_gone_is_said_to_be)
{
	struct bench b;
	begin(&b);
	strcpy(b.core.notes.file.path, "/nowhere/at/all");
	open_good(&b);
	unreadable(&b, TINY_FILE_AT + 0x1000, "all cannot be opened");
	end(&b);
}

Test(core, its_mappings_are_segments_with_the_names_of_files)
{
	struct bench b;
	struct maps maps = { 0 };
	begin(&b);
	open_good(&b);
	cr_assert_null(b.target->ops->maps(b.target, &maps));
	cr_assert_eq(maps.n, 3);
	cr_assert_eq(maps.map[0].start, TINY_FILE_AT);
	cr_assert_eq(maps.map[0].end, TINY_FILE_END);
	cr_assert_eq(maps.map[0].prot, MAP_R | MAP_X);
	cr_assert_str_eq(maps.map[0].path, b.path);
	cr_assert(maps.map[0].inode);
	cr_assert_eq(maps.map[1].start, TINY_HEAP_AT);
	cr_assert_eq(maps.map[1].prot, MAP_R | MAP_W);
	cr_assert_eq(maps.map[1].inode, 0);
	int fd = b.target->ops->open_map(b.target, &maps.map[0]);
	cr_assert_geq(fd, 0);
	close(fd);
	maps_deinit(&maps);
	end(&b);
}

Test(core, mappings_of_files_without_a_segment_are_there_as_well)
{
	struct bench b;
	struct maps maps = { 0 };
	begin(&b);
	b.core.ph[1].p_memsz = 4096;
	open_good(&b);
	cr_assert_null(b.target->ops->maps(b.target, &maps));
	cr_assert_eq(maps.n, 4);
	cr_assert_eq(maps.map[1].start, TINY_FILE_AT + 0x1000);
	cr_assert_eq(maps.map[1].offset, 0x1000);
	cr_assert_str_eq(maps.map[1].path, b.path);
	cr_assert_eq(byte_at(&b, TINY_FILE_AT + 0x1000), 'f');
	maps_deinit(&maps);
	end(&b);
}

Test(core, what_was_cut_off_is_not_read_from_a_file_nor_as_zero)
{
	struct bench b;
	begin(&b);
	struct err *err = open_bytes(&b, offsetof(struct tiny_core, heap) + 100);
	cr_assert_null(err);
	cr_assert_eq(byte_at(&b, TINY_HEAP_AT + 99), 100);
	unreadable(&b, TINY_HEAP_AT + 100, "the core is cut off");
	end(&b);
}

Test(core, cut_off_anywhere_before_its_memory_it_is_refused_with_the_place)
{
	for (size_t len = 0;
	     len < offsetof(struct tiny_core, notes) + sizeof(((struct tiny_core *)0)->notes);
	     len += len < 512 ? 1 : 7) {
		struct bench b;
		begin(&b);
		struct err *err = open_bytes(&b, len);
		cr_assert(err, "%zu bytes are enough", len);
		cr_assert_eq(err->code, ERR_BAD_DATA);
		cr_assert(strstr(err->msg, "offset 0x"), "%s", err->msg);
		err_drop(err);
		end(&b);
	}
}

Test(core, a_segment_that_ends_beyond_the_address_space_is_an_error)
{
	struct bench b;
	begin(&b);
	b.core.ph[2].p_memsz = UINT64_MAX - 4;
	b.core.ph[2].p_vaddr = 4096;
	refused(&b, "program header at offset 0xb0 is of a segment beyond the address space");
}

Test(core, a_segment_with_more_bytes_than_memory_is_an_error)
{
	struct bench b;
	begin(&b);
	b.core.ph[2].p_filesz = 4097;
	refused(&b, "program header at offset 0xb0 has more bytes in the file than in memory");
}

Test(core, a_segment_beyond_all_files_is_an_error)
{
	struct bench b;
	begin(&b);
	b.core.ph[2].p_offset = UINT64_MAX - 10;
	refused(&b, "offset 0xb0 is of a segment beyond all files");
}

Test(core, segments_that_overlap_are_an_error)
{
	struct bench b;
	begin(&b);
	b.core.ph[2].p_vaddr = TINY_FILE_AT + 0x2fff;
	refused(&b, "two segments at address 0x12fff");
}

Test(core, a_note_that_is_longer_than_its_segment_is_an_error)
{
	struct bench b;
	begin(&b);
	b.core.notes.second.nh.n_descsz = UINT32_MAX;
	refused(&b, "reaches beyond its segment");
}

Test(core, more_segments_than_there_can_be_are_an_error)
{
	struct bench b;
	begin(&b);
	b.core.eh.e_phnum = PN_XNUM;
	b.core.eh.e_shoff = offsetof(struct tiny_core, heap);
	memset(b.core.heap, 0x7f, sizeof(Elf64_Shdr));
	refused(&b, "segments by the ELF header: more than 1048576");
}

Test(core, two_threads_of_one_id_are_an_error)
{
	struct bench b;
	begin(&b);
	memcpy(b.core.notes.second.head + 32, b.core.notes.first.head + 32, 4);
	refused(&b, "two threads have id 101");
}

Test(core, a_list_of_files_that_says_it_is_longer_is_an_error)
{
	struct bench b;
	begin(&b);
	b.core.notes.file.n = UINT64_MAX / 24;
	refused(&b, "the list of mapped files is shorter than it says at offset 0x");
}

Test(core, a_list_of_files_without_the_end_of_a_name_is_an_error)
{
	struct bench b;
	begin(&b);
	memset(b.core.notes.file.path, 'x', sizeof(b.core.notes.file.path));
	refused(&b, "lacks a name, or the end of one, at offset 0x");
}

Test(core, other_files_are_no_cores)
{
	struct bench b;
	begin(&b);
	b.core.eh.e_type = ET_DYN;
	refused(&b, "it is no core");
	begin(&b);
	b.core.eh.e_machine = EM_RISCV;
	refused(&b, "only cores of x86-64, i386 and aarch64 are read");
	begin(&b);
	b.core.eh.e_ident[0] = 'x';
	refused(&b, "it is no ELF file");
	begin(&b);
	b.core.eh.e_ident[EI_CLASS] = 3;
	refused(&b, "only 32-bit and 64-bit files are read");
}

Test(core, where_a_cpu_keeps_its_registers_is_known_by_the_size)
{
	struct xsave_layout l;
	xsave_layout_guess(0x2e7, 2696, &l);
	cr_assert_eq(l.offset[XSAVE_OPMASK], 1088);
	cr_assert_eq(l.offset[XSAVE_PKRU], 2688);
	xsave_layout_guess(0x2e7, 2440, &l);
	cr_assert_eq(l.offset[XSAVE_OPMASK], 832);
	cr_assert_eq(l.offset[XSAVE_PKRU], 2432);
	xsave_layout_guess(0x207, 840, &l);
	cr_assert_eq(l.offset[XSAVE_PKRU], 832);
	xsave_layout_guess(0x7, 832, &l);
	cr_assert_eq(l.xcr0, 7);
	xsave_layout_guess(0xe7, 832, &l);
	cr_assert_eq(l.xcr0, 7, "what does not fit is not there");
}
