/* SPDX-License-Identifier: MIT */
#include "tests/fake/tiny_core.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define AT(member) offsetof(struct tiny_core, member)

static Elf64_Nhdr note(uint32_t type, uint32_t size, char name[8])
{
	memcpy(name, "CORE", 5);
	return (Elf64_Nhdr){ .n_namesz = 5, .n_descsz = size, .n_type = type };
}

static void make_thread(struct tiny_thread *t, int32_t tid, int16_t signo)
{
	t->nh = note(NT_PRSTATUS, sizeof(*t) - offsetof(struct tiny_thread, head), t->name);
	memcpy(t->head + 12, &signo, sizeof(signo));
	memcpy(t->head + 32, &tid, sizeof(tid));
	for (unsigned int i = 0; i < 27; i++)
		t->regs[i] = (uint64_t)tid << 32 | i;
}

static Elf64_Phdr load(uint64_t vaddr, uint64_t memsz, uint64_t offset, uint64_t filesz,
		       uint32_t flags)
{
	return (Elf64_Phdr){ .p_type = PT_LOAD,
			     .p_flags = flags,
			     .p_offset = offset,
			     .p_vaddr = vaddr,
			     .p_filesz = filesz,
			     .p_memsz = memsz,
			     .p_align = 4096 };
}

static void make_notes(struct tiny_core *c, const char *path)
{
	make_thread(&c->notes.first, TINY_FIRST, 11);
	make_thread(&c->notes.second, TINY_SECOND, 0);
	c->notes.siginfo.nh = note(NT_SIGINFO, 128, c->notes.siginfo.name);
	c->notes.siginfo.data[0] = 11;
	c->notes.auxv.nh = note(NT_AUXV, sizeof(c->notes.auxv.pair), c->notes.auxv.name);
	c->notes.auxv.pair[0] = AT_ENTRY;
	c->notes.auxv.pair[1] = TINY_FILE_AT + 64;
	c->notes.file.nh = note(NT_FILE, 40 + sizeof(c->notes.file.path), c->notes.file.name);
	c->notes.file.n = 1;
	c->notes.file.unit = 4096;
	c->notes.file.row[0] = TINY_FILE_AT;
	c->notes.file.row[1] = TINY_FILE_END;
	strncpy(c->notes.file.path, path, sizeof(c->notes.file.path) - 1);
}

void tiny_core_make(struct tiny_core *c, const char *path)
{
	struct tiny_elf elf;

	memset(c, 0, sizeof(*c));
	memcpy(c->eh.e_ident, ELFMAG "\2\1\1", 7);
	c->eh.e_type = ET_CORE;
	c->eh.e_machine = EM_X86_64;
	c->eh.e_phoff = AT(ph);
	c->eh.e_phentsize = sizeof(Elf64_Phdr);
	c->eh.e_phnum = 4;
	c->ph[0] = (Elf64_Phdr){ .p_type = PT_NOTE,
				 .p_offset = AT(notes),
				 .p_filesz = sizeof(c->notes) };
	c->ph[1] =
		load(TINY_FILE_AT, TINY_FILE_END - TINY_FILE_AT, AT(file_page), 4096, PF_R | PF_X);
	c->ph[2] = load(TINY_HEAP_AT, 4096, AT(heap), 4096, PF_R | PF_W);
	c->ph[3] = load(TINY_LEFT_AT, 4096, AT(heap), 0, PF_R | PF_W);
	make_notes(c, path);
	tiny_elf_make(&elf, true);
	memcpy(c->file_page, &elf, sizeof(elf) < 4096 ? sizeof(elf) : 4096);
	for (unsigned int i = 0; i < 4096; i++)
		c->heap[i] = (uint8_t)(i + 1);
}

int tiny_core_file(const void *data, size_t len)
{
	int fd = memfd_create("core", MFD_CLOEXEC);

	if (fd >= 0 && write(fd, data, len) != (ssize_t)len) {
		close(fd);
		return -1;
	}
	return fd;
}
