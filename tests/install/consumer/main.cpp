// Uses weft as a user does, against an installed tree: components sql and testing.

#include <weft/weft.hpp>

int main()
{
    // A whole workflow run belongs here: a body, weft::open_store("sqlite://:memory:"), and weft::testing::environment.
    return 0;
}
