/* SPDX-License-Identifier: MIT */
#include "tests/fake/tiny_elf.h"

#include <string.h>

#define AT(member) offsetof(struct tiny_elf, member)

static uint32_t hash_gnu(const char *s)
{
	uint32_t h = 5381;
	for (; *s; s++)
		h = h * 33 + (unsigned char)*s;
	return h;
}

static void make_headers(struct tiny_elf *e)
{
	memcpy(e->eh.e_ident, ELFMAG, SELFMAG);
	e->eh.e_ident[EI_CLASS] = ELFCLASS64;
	e->eh.e_ident[EI_DATA] = ELFDATA2LSB;
	e->eh.e_ident[EI_VERSION] = EV_CURRENT;
	e->eh.e_type = ET_DYN;
	e->eh.e_machine = EM_X86_64;
	e->eh.e_version = EV_CURRENT;
	e->eh.e_ehsize = sizeof(e->eh);
	e->eh.e_phoff = AT(ph);
	e->eh.e_phentsize = sizeof(e->ph[0]);
	e->eh.e_phnum = 4;
	e->eh.e_shoff = AT(sh);
	e->eh.e_shentsize = sizeof(e->sh[0]);
	e->eh.e_shnum = 5;
	e->eh.e_shstrndx = 4;
	e->ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_filesz = sizeof(*e), .p_memsz = sizeof(*e) };
	e->ph[1] = (Elf64_Phdr){ .p_type = PT_DYNAMIC,
				 .p_offset = AT(dynamic),
				 .p_vaddr = AT(dynamic),
				 .p_memsz = sizeof(e->dynamic) };
	e->ph[2] = (Elf64_Phdr){ .p_type = PT_NOTE,
				 .p_offset = AT(property),
				 .p_vaddr = AT(property),
				 .p_filesz = sizeof(e->property),
				 .p_memsz = sizeof(e->property) };
	e->ph[3] = (Elf64_Phdr){ .p_type = PT_NOTE,
				 .p_offset = AT(build_id),
				 .p_vaddr = AT(build_id),
				 .p_filesz = sizeof(e->build_id),
				 .p_memsz = sizeof(e->build_id) };
}

static void make_notes(struct tiny_elf *e)
{
	e->property.nh = (Elf64_Nhdr){ 4, 16, NT_GNU_PROPERTY_TYPE_0 };
	memcpy(e->property.name, "GNU", 4);
	e->build_id.nh = (Elf64_Nhdr){ 4, 20, NT_GNU_BUILD_ID };
	memcpy(e->build_id.name, "GNU", 4);
	memcpy(e->build_id.desc, TINY_BUILD_ID, 20);
}

static void make_dynamic(struct tiny_elf *e, bool gnu)
{
	static const char names[] = "\0_PyRuntime\0Py_Version";
	memcpy(e->dynstr, names, sizeof(names));
	e->dynsym[1] =
		(Elf64_Sym){ .st_name = 1, .st_shndx = 1, .st_value = TINY_RUNTIME, .st_size = 64 };
	e->dynsym[2] =
		(Elf64_Sym){ .st_name = 12, .st_shndx = 1, .st_value = TINY_VERSION, .st_size = 4 };
	e->gnu_hash.nbuckets = 1;
	e->gnu_hash.first = 1;
	e->gnu_hash.nbloom = 1;
	e->gnu_hash.bloom = UINT64_MAX;
	e->gnu_hash.bucket[0] = 1;
	e->gnu_hash.chain[0] = hash_gnu("_PyRuntime") & ~1u;
	e->gnu_hash.chain[1] = hash_gnu("Py_Version") | 1;
	e->sysv_hash.nbuckets = 1;
	e->sysv_hash.nchain = 3;
	e->sysv_hash.bucket[0] = 2;
	e->sysv_hash.chain[2] = 1;
	e->dynamic[0] = (Elf64_Dyn){ DT_SYMTAB, { AT(dynsym) } };
	e->dynamic[1] = (Elf64_Dyn){ DT_STRTAB, { AT(dynstr) } };
	e->dynamic[2] = (Elf64_Dyn){ DT_STRSZ, { sizeof(names) } };
	if (gnu)
		e->dynamic[3] = (Elf64_Dyn){ DT_GNU_HASH, { AT(gnu_hash) } };
	else
		e->dynamic[3] = (Elf64_Dyn){ DT_HASH, { AT(sysv_hash) } };
}

static void make_sections(struct tiny_elf *e)
{
	static const char names[] = "\0.PyRuntime\0.symtab\0.strtab\0.shstrtab";
	memcpy(e->shstrtab, names, sizeof(names));
	memcpy(e->strtab, "\0hidden", 8);
	e->symtab[1] =
		(Elf64_Sym){ .st_name = 1, .st_shndx = 1, .st_value = TINY_HIDDEN, .st_size = 8 };
	e->sh[1] = (Elf64_Shdr){ .sh_name = 1,
				 .sh_type = SHT_PROGBITS,
				 .sh_flags = SHF_ALLOC | SHF_WRITE,
				 .sh_addr = TINY_RUNTIME,
				 .sh_offset = TINY_RUNTIME,
				 .sh_size = 64 };
	e->sh[2] = (Elf64_Shdr){ .sh_name = 12,
				 .sh_type = SHT_SYMTAB,
				 .sh_offset = AT(symtab),
				 .sh_size = sizeof(e->symtab),
				 .sh_link = 3,
				 .sh_entsize = sizeof(Elf64_Sym) };
	e->sh[3] = (Elf64_Shdr){ .sh_name = 20,
				 .sh_type = SHT_STRTAB,
				 .sh_offset = AT(strtab),
				 .sh_size = sizeof(e->strtab) };
	e->sh[4] = (Elf64_Shdr){ .sh_name = 28,
				 .sh_type = SHT_STRTAB,
				 .sh_offset = AT(shstrtab),
				 .sh_size = sizeof(e->shstrtab) };
}

void tiny_elf_make(struct tiny_elf *e, bool gnu)
{
	memset(e, 0, sizeof(*e));
	make_headers(e);
	make_notes(e);
	make_dynamic(e, gnu);
	make_sections(e);
}

void tiny_elf_relocate(struct tiny_elf *e, uint64_t base)
{
	for (size_t i = 0; i < 4; i++)
		if (e->dynamic[i].d_tag != DT_STRSZ)
			e->dynamic[i].d_un.d_ptr += base;
}
