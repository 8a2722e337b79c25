/* Bars of several series side by side, in place of flot-orderbars 1.0.0.

   That one measures the axis by the data as they came, which fails where they are words (a cell, a backend): every bar
   lies at NaN and nothing is drawn. Here a bar's place is counted in bar widths, after flot has numbered the words. And
   a bar begins at 0: its length is its figure. */
(function ($) {
    function side_by_side(plot, series, datapoints) {
        if (!series.bars || !series.bars.show || series.bars.order == null) {
            return;
        }
        if (!series.yaxis.options.transform) {
            series.yaxis.options.min = 0;
        }
        var orders = $.map(plot.getData(), function (other) {
            return other.bars.show ? other.bars.order : null;
        }).sort(function (a, b) { return a - b; });
        var shift = (orders.indexOf(series.bars.order) - (orders.length - 1) / 2) * series.bars.barWidth;
        for (var i = 0; i < datapoints.points.length; i += datapoints.pointsize) {
            if (datapoints.points[i] != null) {
                datapoints.points[i] += shift;
            }
        }
    }

    $.plot.plugins.push({
        init: function (plot) { plot.hooks.processDatapoints.push(side_by_side); },
        options: { series: { bars: { order: null } } },
        name: "orderBars",
        version: "1.0"
    });
})(jQuery);
