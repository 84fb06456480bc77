'use strict';

require('./engine').run('main');
