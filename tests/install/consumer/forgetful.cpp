// A body that does not await what it makes: refused by weft_lint_coroutines.

#include <weft/weft.hpp>

int answer() { return 42; }

weft::workflow<int> ask(weft::context& wf)
{
    [[maybe_unused]] auto asked = wf.step("answer", &answer);
    co_return 42;
}

int main() { }
