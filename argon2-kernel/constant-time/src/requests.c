// What a program can say to valgrind of its memory: macros of a C header. Without valgrind they do nothing.
#include <stddef.h>
#include <valgrind/memcheck.h>

void make_secret(void *memory, size_t bytes) { (void)VALGRIND_MAKE_MEM_UNDEFINED(memory, bytes); }
void make_public(void *memory, size_t bytes) { (void)VALGRIND_MAKE_MEM_DEFINED(memory, bytes); }
