/// \file
/// Holds a workflow's code against journals that earlier versions of it have left: a test for each shape that is still under way
/// in production finds the change that would pause them before it is deployed.
///
///     // once:  std::ofstream("journals/placed.json") << weft::testing::export_journal(*co_await engine.query(weft::gid("order-4711")));
///     TEST(PlaceOrder, StillFitsWhatIsUnderWay)
///     {
///         auto const replayed = weft::testing::replay("journals/placed.json", &place_order, std::ref(our));
///         EXPECT_TRUE(replayed.matches()) << replayed;
///     }
///
/// Nothing is sent and nothing is written: the body runs against the journal alone.
#pragma once

#include <weft/engine.hpp>

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>

namespace weft {
inline namespace v0 {
namespace testing {

/// The transaction with its journal as one JSON document: gid, workflow, status, input, result, reason, created (milliseconds since 1970),
/// and the journal's parts and rest as they are stored. It holds payloads: input and results.
/// Shape: of `t` all that `engine::query` returns is used. Errors: misuse(bad_value) if something in it is not JSON.
std::string export_journal(transaction const& t);

/// The reverse. Errors: misuse(bad_value) that says what is missing.
transaction import_journal(std::string_view document);

struct replay_result
{
    enum class verdict
    {
        complete,       ///< the body ended, the whole journal was read, and the decision is the recorded one (if there is one)
        asks_for_more,  ///< the body fits the journal and asks for a branch beyond it (or one whose outcome is not known): `report` says which
        mismatch,       ///< `report` is what the transaction would be paused with, unread entries included
        another_end,  ///< the body read the whole journal, and ends otherwise than recorded: `report` says how
        threw         ///< something else left the body: `report` says what
    };

    verdict      what = verdict::mismatch;
    weft::status status = status::prepared;  ///< of the recorded transaction
    std::string  report;

    /// True if the transaction could go on with this code. A commit is final: there must be nothing more to ask for.
    bool matches() const noexcept
    {
        return what == verdict::complete || (what == verdict::asks_for_more && status != status::submitted && status != status::succeed);
    }

    friend std::ostream& operator<<(std::ostream&, replay_result const&);
};

/// Runs what `add` registers under the transaction's workflow name.
replay_result replay_transaction(transaction recorded, std::function<void(engine&)> add);

template <class Body, class... Services>
replay_result replay(transaction const& recorded, Body body, Services... services)
{
    return replay_transaction(recorded, [&](engine& e) { e.add(recorded.workflow, body, services...); });
}

/// Errors: misuse(bad_value) if the file cannot be read or is no exported journal.
transaction import_journal_file(std::filesystem::path const& file);

/// `file` holds what export_journal returned.
template <class Body, class... Services>
replay_result replay(std::filesystem::path const& file, Body body, Services... services)
{
    return testing::replay(import_journal_file(file), body, services...);
}
template <class Body, class... Services>
replay_result replay(char const* file, Body body, Services... services)
{
    return testing::replay(std::filesystem::path(file), body, services...);
}
template <class Body, class... Services>
replay_result replay(std::string const& file, Body body, Services... services)
{
    return testing::replay(std::filesystem::path(file), body, services...);
}

}  // namespace testing
}  // namespace v0
}  // namespace weft
