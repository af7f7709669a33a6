"""From images to stacked parameters: plans, feed, step, loss, state, trainer."""
