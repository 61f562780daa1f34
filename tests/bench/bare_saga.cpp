#include "tests/bench/bare_loop.hpp"
#include "tests/bench/measure.hpp"

#include <weft/open_store.hpp>

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <array>

namespace bench {

bare_figures run_bare_saga(std::string const& url, std::size_t per_commit, double seconds)
{
    weft::open_store(url);  // the tables
    soci::session sql(soci::sqlite3, "dbname=" + url.substr(9));
    sql << "PRAGMA journal_mode = WAL";
    sql << "PRAGMA synchronous = FULL";
    sql << "PRAGMA cache_size = -16384";

    std::string const options = R"({"concurrent":false})", owner = "0123456789abcde", payload = R"({"amount":30})";
    std::string       gid, branch_id, op;
    long long         now = 0;

    soci::statement insert =
        (sql.prepare << "INSERT INTO trans_global (gid, trans_type, status, protocol, options, owner, attempts, ext_data, create_time, "
                        "update_time, next_cron_time) VALUES (:gid, 'saga', 'submitted', 'http', :options, :owner, 1, '{\"journal\":[]}', "
                        ":now, :now2, :due) ON CONFLICT (gid) DO NOTHING",
         soci::use(gid), soci::use(options), soci::use(owner), soci::use(now), soci::use(now), soci::use(now));
    soci::statement insert_op =
        (sql.prepare << "INSERT INTO trans_branch_op (gid, branch_id, op, bin_data, status, create_time, update_time) VALUES (:gid, "
                        ":branch_id, :op, CAST(:data AS BLOB), 'prepared', :now, :now2)",
         soci::use(gid), soci::use(branch_id), soci::use(op), soci::use(payload), soci::use(now), soci::use(now));
    soci::statement finish =
        (sql.prepare
             << "UPDATE trans_global SET position = position + 3, attempts = 0, update_time = :now, status = 'succeed', "
                "finish_time = :finish WHERE gid = :gid AND owner = :owner AND position = 0 AND status NOT IN ('succeed', 'failed')",
         soci::use(now), soci::use(now), soci::use(gid), soci::use(owner));
    soci::statement finish_op =
        (sql.prepare << "UPDATE trans_branch_op SET status = 'succeed', finish_time = :now, update_time = :now2 WHERE gid = :gid AND "
                        "branch_id = :branch_id AND op = 'action'",
         soci::use(now), soci::use(now), soci::use(gid), soci::use(branch_id));

    constexpr std::array branches{"01", "02"};
    std::vector<double>  latencies;
    auto const           begin = seconds_now();
    std::size_t          done = 0;
    double               now_s = begin;
    while (now_s - begin < seconds)
    {
        now = static_cast<long long>(now_s * 1e3);
        sql << "BEGIN IMMEDIATE";
        for (std::size_t i = 0; i < per_commit; ++i)
        {
            gid = "bench-" + std::to_string(done + i);
            insert.execute(true);
            for (auto const* b : branches)
                for (auto const* what : {"compensate", "action"})
                {
                    branch_id = b;
                    op = what;
                    insert_op.execute(true);
                }
        }
        sql << "COMMIT";
        sql << "BEGIN IMMEDIATE";
        for (std::size_t i = 0; i < per_commit; ++i)
        {
            gid = "bench-" + std::to_string(done + i);
            finish.execute(true);
            if (finish.get_affected_rows() != 1)
                throw std::runtime_error("the bare loop lost a row");
            for (auto const* b : branches)
            {
                branch_id = b;
                finish_op.execute(true);
            }
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
