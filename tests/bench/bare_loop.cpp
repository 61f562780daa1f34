#include "tests/bench/bare_loop.hpp"

#include "tests/bench/measure.hpp"

#include <weft/open_store.hpp>

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

namespace bench {

bare_figures run_bare_loop(std::string const& url, std::size_t per_commit, double seconds)
{
    weft::open_store(url);  // the tables
    if (!url.starts_with("sqlite://"))
        return run_server_loop(url, per_commit, seconds);
    soci::session sql(soci::sqlite3, "dbname=" + url.substr(9));
    sql << "PRAGMA journal_mode = WAL";
    sql << "PRAGMA synchronous = FULL";
    sql << "PRAGMA cache_size = -16384";

    std::string const owner = "0123456789abcde", workflow = "noop", type = "workflow";
    std::string const data(100, 'x');
    std::string       gid, custom = R"({"name":"noop"})", entry, status;
    long long         now = 0, position = 0, after = 0;
    int               attempts = 1;
    std::string const result = '"' + data + '"';
    soci::indicator   finish = soci::i_null;

    soci::statement insert =
        (sql.prepare << "INSERT INTO trans_global (gid, trans_type, status, workflow, custom_data, owner, attempts, ext_data, create_time, "
                        "update_time, next_cron_time) VALUES (:gid, :type, 'prepared', :workflow, :custom, :owner, :attempts, "
                        "'{\"journal\":[]}', :now, :now2, :due) ON CONFLICT (gid) DO NOTHING",
         soci::use(gid), soci::use(type), soci::use(workflow), soci::use(custom), soci::use(owner), soci::use(attempts), soci::use(now),
         soci::use(now), soci::use(now));
    std::string const extend = "UPDATE trans_global SET ext_data = substr(ext_data, 1, length(ext_data) - 2) || :entry || ']}', position = "
                               ":after, attempts = 0, sends = 0, last_error = NULL, update_time = :now";
    std::string const mine = " WHERE gid = :gid AND owner = :owner AND position = :position AND status NOT IN ('succeed', 'failed')";
    soci::statement   outcome = (sql.prepare << extend + mine, soci::use(entry), soci::use(after), soci::use(now), soci::use(gid),
                               soci::use(owner), soci::use(position));
    soci::statement   final_outcome =
        (sql.prepare << extend + ", status = :status, result = :result, finish_time = :finish" + mine + " AND cancel_requested = 0",
         soci::use(entry), soci::use(after), soci::use(now), soci::use(status), soci::use(result), soci::use(now, finish), soci::use(gid),
         soci::use(owner), soci::use(position));
    finish = soci::i_ok;
    status = "succeed";

    std::string const first =
        R"({"id":"01","verb":"step","op":"action","name":"step","at":1790000000000,"status":"succeed","data":)" + result + "}";
    std::string const second =
        R"(,{"id":"02","verb":"step","op":"action","name":"step","at":1790000000000,"status":"succeed","data":)" + result + "}";

    std::vector<double> latencies;
    auto const          begin = seconds_now();
    std::size_t         done = 0;
    double              now_s = begin;
    while (now_s - begin < seconds)
    {
        auto const name = [&](std::size_t i) { gid = "bench-" + std::to_string(done + i); };
        now = static_cast<long long>(now_s * 1e3);
        sql << "BEGIN IMMEDIATE";
        for (std::size_t i = 0; i < per_commit; ++i)
        {
            name(i);
            insert.execute(true);
        }
        sql << "COMMIT";
        sql << "BEGIN IMMEDIATE";
        position = 0;
        after = 1;
        entry = first;
        for (std::size_t i = 0; i < per_commit; ++i)
        {
            name(i);
            outcome.execute(true);
            if (outcome.get_affected_rows() != 1)
                throw std::runtime_error("the bare loop lost a row");
        }
        sql << "COMMIT";
        sql << "BEGIN IMMEDIATE";
        position = 1;
        after = 4;
        entry = second;
        for (std::size_t i = 0; i < per_commit; ++i)
        {
            name(i);
            final_outcome.execute(true);
            if (final_outcome.get_affected_rows() != 1)
                throw std::runtime_error("the bare loop lost a row");
        }
        sql << "COMMIT";
        done += per_commit;
        auto const end = seconds_now();
        latencies.push_back((end - now_s) * 1e3);
        now_s = end;
    }
    return {static_cast<double>(done) / (now_s - begin), percentile(latencies, 0.5)};
}

}  // namespace bench
