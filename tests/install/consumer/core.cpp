// Uses weft::core only: built once by CMake and once with pkg-config's flags.

#include <weft/weft.hpp>

int main()
{
    // Something that needs the compiled library, and not only its headers, belongs here.
    return 0;
}
