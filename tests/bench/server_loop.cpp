#include "src/store/sql/dialect.hpp"
#include "tests/bench/bare_loop.hpp"
#include "tests/bench/measure.hpp"

namespace bench {

using namespace weft::sql_store;
using weft::detail::server_kind;
using weft::detail::server_session;

bare_figures run_server_loop(std::string const& text, std::size_t per_commit, double seconds)
{
    auto                         url = weft::detail::parse_server_url(text);
    weft::detail::server_options options;
    options.take(url);
    std::string prefix;
    for (auto const& [name, value] : url.options)
        if (name == "table_prefix")
            prefix = value;
    std::erase_if(url.options, [](auto const& o) { return o.first == "table_prefix"; });
    server_session    session(url, options, server_session::purpose::store);
    bool const        on_postgres = url.kind == server_kind::postgres;
    auto const&       d = on_postgres ? postgres() : mysql();
    std::string const table = prefix + "trans_global", now = d.time_of("v.now_is");

    column const gid{"gid", column::text}, at{"now_is", column::number};
    column const creation[] = {
        gid, {"type_is", column::text}, {"workflow_is", column::text}, {"custom_is", column::text}, {"owner_is", column::text}, at};
    auto const create = d.insert(
        session, creation,
        table + " (gid, trans_type, status, workflow, options, custom_data, owner, attempts, ext_data, create_time, update_time, "
                "next_cron_time)",
        "v.gid, v.type_is, 'prepared', v.workflow_is, '', v.custom_is, v.owner_is, 1, '{\"journal\":[]}', " + now + ", " + now + ", " + now,
        "");
    column const outcome[] = {
        gid, {"owner_is", column::text}, {"position_is", column::number}, {"entry_is", column::text}, {"position_to", column::number}, at};
    std::string const extended = "ext_data = " + d.concatenated(d.without_end("t.ext_data"), "v.entry_is", "']}'") +
                                 ", position = v.position_to, attempts = 0, sends = 0, last_error = NULL, update_time = " + now;
    std::string const mine = "t.owner = v.owner_is AND t.position = v.position_is AND t.status NOT IN ('succeed', 'failed')";
    auto const        extend = d.update(session, outcome, table, extended, mine);
    column const      last[] = {
             gid, {"owner_is", column::text}, {"position_is", column::number}, {"entry_is", column::text}, {"position_to", column::number},
             at,  {"result_is", column::text}};
    auto const finish = d.update(session, last, table, extended + ", status = 'succeed', result = v.result_is, finish_time = " + now,
                                 mine + " AND t.cancel_requested = 0");

    std::string const result = '"' + std::string(100, 'x') + '"', owner = "0123456789abcde", custom = R"({"name":"noop"})";
    std::string const first =
        R"({"id":"01","verb":"step","op":"action","name":"step","at":1790000000000,"status":"succeed","data":)" + result + "}";
    std::string const second =
        R"(,{"id":"02","verb":"step","op":"action","name":"step","at":1790000000000,"status":"succeed","data":)" + result + "}";

    std::vector<double> latencies;
    auto const          begin = seconds_now();
    std::size_t         done = 0;
    double              now_s = begin;
    auto const          commit = [&](multi_row& rows, auto each) {
        // Without autocommit, MySQL opens a transaction by itself.
        if (on_postgres)
            session.execute("BEGIN");
        for (std::size_t i = 0; i < per_commit; ++i)
        {
            rows.text("bench-" + std::to_string(done + i));
            each();
        }
        if (rows.execute() != static_cast<std::int64_t>(per_commit))
            throw std::runtime_error("the bare loop lost a row");
        session.execute("COMMIT");
    };
    while (now_s - begin < seconds)
    {
        auto const ms = static_cast<std::int64_t>(now_s * 1e3);
        commit(*create, [&] {
            for (auto const* value : {"workflow", "noop", custom.c_str(), owner.c_str()})
                create->text(value);
            create->number(ms);
        });
        commit(*extend, [&] {
            extend->text(owner);
            extend->number(0);
            extend->text(first);
            extend->number(1);
            extend->number(ms);
        });
        commit(*finish, [&] {
            finish->text(owner);
            finish->number(1);
            finish->text(second);
            finish->number(4);
            finish->number(ms);
            finish->text(result);
        });
        done += per_commit;
        auto const end = seconds_now();
        latencies.push_back((end - now_s) * 1e3);
        now_s = end;
    }
    return {static_cast<double>(done) / (now_s - begin), percentile(latencies, 0.5)};
}

}  // namespace bench
