// Uses weft::core only: built once by CMake and once with pkg-config's flags.

#include <weft/weft.hpp>

namespace {

using namespace weft::literals;
int answer() { return 42; }

weft::workflow<int> ask(weft::context& wf) { co_return co_await wf.step("answer", &answer); }

}  // namespace

int main()
{
    auto const store = weft::make_memory_store();
    weft::host host(*store);
    auto const question = host.engine().add("ask", &ask);
    host.start();
    return question.execute("g1"_gid, weft::blocking) == 42 ? 0 : 1;
}
